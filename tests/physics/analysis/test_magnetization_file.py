"""Files of magnetisation against temperature: each spelling comes to the same points, what is not clear is refused."""

import numpy as np
import pytest

from lib.analysis import curie, magnetization_file
from lib.errors import BookError
from tests.conftest import refused

T = [50.0, 100.0, 200.0, 300.0]
M = [961.16, 925.25, 818.17, 673.427]


def read(tmp_path, text, name="mine.csv", encoding="utf-8"):
    file = tmp_path / name
    file.write_bytes(text.encode(encoding))
    return magnetization_file.read(file)


def table(header, separator=",", point=".", T=T, M=M):
    rows = [separator.join(f"{x:.10g}".replace(".", point) for x in row) for row in zip(T, M, strict=True)]
    return "\n".join([separator.join(header), *rows]) + "\n"


def same(data, M=M, unit="emu/cc"):
    np.testing.assert_allclose(data.T, T, rtol=1e-12)
    np.testing.assert_allclose(data.M, M, rtol=1e-12)
    assert data.unit == unit


@pytest.mark.parametrize("separator, point", [(",", "."), (";", "."), ("\t", "."), (";", ","), ("\t", ",")])
def test_separators_and_decimal_commas(separator, point, tmp_path):
    same(read(tmp_path, table(["T_K", "Ms_emu_per_cc"], separator, point)))
    same(read(tmp_path, table(["T_K", "Ms_emu_per_cc"], separator, point).replace("\n", "\r\n")))


HEADERS = {
    ("T (K)", "Ms (emu/cc)"): (0, 1),
    ("T_K", "Ms_emu_per_cc"): (0, 1),
    ("Temperature (K)", "M_s [emu/cm3]"): (0, 1),
    ("temp [K]", "Ms [kA/m]"): (0, 1),
    ("T / K", "M / (kA/m)"): (0, 1),
    ("T K", "Magnetization kA/m"): (0, 1),
    ("T (C)", "Saturation magnetisation (A/m)"): (273.15, 1000),
    ("T_degC", "Ms_MA_per_m"): (273.15, 1e-3),
    ("T (°C)", "Ms (emu/cm³)"): (273.15, 1),
    ("T [℃]", "Ms (emu/cm^3)"): (273.15, 1),
}


@pytest.mark.parametrize("header", HEADERS)
def test_units_of_the_header(header, tmp_path):
    zero, factor = HEADERS[header]
    written = {"T": [t - zero for t in T], "M": [m * factor for m in M]}
    data = read(tmp_path, table(header, ";", **written))
    same(data)
    assert any("273.15 added" in note for note in data.notes) == bool(zero)
    assert any("1 emu/cc = 1 kA/m" in note for note in data.notes) == ("A" in header[1])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16"])
def test_encodings_of_spreadsheets(encoding, tmp_path):
    same(read(tmp_path, table(["T (°C)", "Ms (emu/cc)"], T=[t - 273.15 for t in T]), encoding=encoding))


GOOD = "# a comment\n\nsample,T_K,Ms_emu_per_cc,error\na,300,600,1\na,100,900,2\nb,200,800,3\nb,50,950,4\n"


def test_a_csv_of_ones_own(tmp_path):
    mine = read(tmp_path, GOOD)
    assert mine.T.tolist() == [50, 100, 200, 300] and mine.M.tolist() == [950, 900, 800, 600]
    assert mine.errors.tolist() == [4, 2, 3, 1] and mine.notes == ()
    in_tesla = read(tmp_path, GOOD.replace("Ms_emu_per_cc", "Ms (MA/m)").replace(",error", ",error (kA/m)"))
    assert in_tesla.M.tolist() == [950e3, 900e3, 800e3, 600e3] and in_tesla.errors.tolist() == [4, 2, 3, 1]
    assert read(tmp_path, GOOD.replace("Ms_emu_per_cc", "Ms (MA/m)")).errors.tolist() == [4e3, 2e3, 3e3, 1e3]
    trailing = read(tmp_path, GOOD.replace(",2\n", ",2,,\n"))
    assert trailing.T.tolist() == mine.T.tolist()
    assert read(tmp_path, GOOD.replace("900", "-900")).M[1] == -900  # above T_C: `curie.below_t_c`
    quoted = read(tmp_path, GOOD.replace("a,100,900,2", 'a,100,"900,5",2'))
    assert quoted.M[1] == 900.5


@pytest.mark.parametrize(
    "old, new, messages",
    [
        ("T_K", "T", ["the unit of column 'T' is missing or not known", "'T (K)'", "degC"]),
        ("T_K", "T (F)", ["the unit of column 'T (F)' is missing or not known"]),
        ("T_K", "x", ["no column with a temperature"]),
        ("Ms_emu_per_cc", "Ms (mA/m)", ["the unit of column 'Ms (mA/m)'", "emu/cc, emu/cm3, A/m, kA/m or MA/m"]),
        ("Ms_emu_per_cc", "Ms (emu/g)", ["the unit of column 'Ms (emu/g)'"]),
        ("Ms_emu_per_cc", "chi (emu/cc)", ["no column with a magnetisation"]),
        ("sample", "T (C)", ["columns 'T (C)', 'T_K' could each be meant; keep one"]),
        ("error", "error (emu)", ["'error (emu)' has another unit than 'Ms_emu_per_cc'"]),
        ("sample", "error", ["two columns of errors"]),
        ("900", "abc", ["line 5: Ms_emu_per_cc = 'abc' is not a number; correct it, or remove the row"]),
        ("900", "1_000", ["line 5: Ms_emu_per_cc = '1_000' is not a number"]),
        ("900", "nan", ["line 5: Ms_emu_per_cc = 'nan' is not a number"]),
        ("900", "1e999", ["line 5: Ms_emu_per_cc = '1e999' is not a number"]),
        ("900", "", ["line 5: Ms_emu_per_cc is empty"]),
        ("a,100,900,2", "a,100", ["line 5: Ms_emu_per_cc is empty"]),
        ("100,900", "0,900", ["line 5: T_K = 0 is not above absolute zero"]),
        (",2\n", ",0\n", ["line 5: error = 0 must be positive"]),
        ("b,50", "b,100", ["T_K = 100 appears twice"]),
        (GOOD, "", ["no column with a temperature"]),
        (GOOD, "T_K,Ms_emu_per_cc\n", ["no row with a temperature and a magnetisation"]),
        (GOOD, "[Header]\nTITLE,x\n", ["[Header] without [Data]"]),
    ],
)
def test_a_bad_csv_gets_one_line(old, new, messages, tmp_path):
    assert old in GOOD
    with refused("bad.csv", *messages):
        read(tmp_path, GOOD.replace(old, new), "bad.csv")


COMMAS = "T_K{0}Ms_emu_per_cc\n50{0}961,16\n100{0}925,25\n150{0}877,73\n200{0}818,17\n"


def test_decimal_commas_that_are_not_clear(tmp_path):
    with refused("bad.csv, line 2: 3 cells below 2 titles", "decimal commas, separate columns by semicolons or tabs"):
        read(tmp_path, COMMAS.format(","), "bad.csv")
    assert read(tmp_path, COMMAS.format(";")).M[0] == 961.16
    with refused("line 2: '961,16' has a comma, other numbers of the file have points"):
        read(tmp_path, COMMAS.format(";").replace("877,73", "877.73"))
    thousands = "T_K;Ms (A/m)\n50;961,160\n100;925,250\n"
    with refused("line 2: '961,160' may be 961.160 or 961160"):
        read(tmp_path, thousands)
    # one number that can only be a decimal comma settles it
    assert read(tmp_path, thousands.replace("925,250", "925,25")).M[0] == pytest.approx(0.96116)
    with refused("'1,961,160' is not a number"):
        read(tmp_path, thousands.replace("961,160", "1,961,160"))
    with refused("'1,961.5' has a comma"):
        read(tmp_path, thousands.replace("961,160", "1,961.5"))


def test_a_file_that_is_no_csv(tmp_path):
    with pytest.raises(BookError, match="nothing.csv: cannot be read"):
        magnetization_file.read(tmp_path / "nothing.csv")
    (tmp_path / "picture.csv").write_bytes(bytes(range(256)))
    with pytest.raises(BookError, match="picture.csv: cannot be read"):
        magnetization_file.read(tmp_path / "picture.csv")
    with pytest.raises(BookError, match="cannot be read"):
        magnetization_file.read(tmp_path)
    (tmp_path / "zeros.csv").write_bytes(bytes(1000))
    with refused("zeros.csv: no column with a temperature"):
        magnetization_file.read(tmp_path / "zeros.csv")


# Instruments -----------------------------------------------------------------------------------------------

TITLES = (
    "Comment,Time Stamp (sec),Temperature (K),Magnetic Field (Oe),Moment (emu),M. Std. Err. (emu),"
    "DC Moment Fixed Ctr (emu),DC Moment Err Fixed Ctr (emu)"
)


def dat(column="vsm", fields=(1e4,) * 12):
    """As MultiVu writes it: of a film with T_C = 430 K, a comment row, and points above T_C."""
    rows = ["[Header]", "TITLE,film, 5 nm", "BYAPP,MPMS3,1.0,2.0", "INFO,T (K),SAMPLE_COMMENT", "[Data]", TITLES]
    rows.append("Set temperature,3,,,,,,")
    for k, field in enumerate(fields):
        T = 450.002 - 35 * k
        M = 2e-4 * max(1 - T / 430, 0) ** (1 / 3) + 1e-8 * (-1) ** k
        moment = f"{M:.6e},1e-8,," if column == "vsm" else f",,{M:.6e},1e-8"
        rows.append(f",{4 + k},{T:.3f},{field},{moment}")
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize("column", ["vsm", "dc"])
def test_a_file_of_an_instrument(column, tmp_path):
    data = read(tmp_path, dat(column), "film.dat")
    assert data.unit == "emu" and data.errors is None and len(data.T) == 12
    assert data.T[0] == pytest.approx(65.002) and np.all(np.diff(data.T) > 0)
    rows, moment = data.notes
    assert rows == "Rows without a temperature or a moment, not used: 1."
    assert "a moment, no volume. M and M_0 are in emu; T_C does not depend on the scale" in moment
    below = curie.below_t_c(data)
    assert "at T = 450.002 K" in below.notes[-1]
    fit = curie.power_law(below.T, below.M)
    assert fit.t_c == pytest.approx(430, abs=0.5) and fit.m0 == pytest.approx(2e-4, rel=1e-3)


def test_a_temperature_twice_is_no_slip_of_an_instrument(tmp_path):
    again = dat() + ",99,65.002,10000.0,1.9e-4,1e-8,,\n"
    assert len(read(tmp_path, again, "film.dat").T) == 13


@pytest.mark.parametrize(
    "text, message",
    [
        (dat().replace("Temperature (K)", "Temp"), "the unit of column 'Temp' is missing or not known"),
        (dat().replace("Moment", "Signal"), "no column with a magnetisation"),
        (dat(fields=[1e4, -1e4] * 6), "the field runs from -10000 to 10000 Oe; keep the rows of one field"),
        (dat() + ",9,300,1e4,1e-4,1e-8,1e-4,1e-8\n", "'Moment (emu)', 'DC Moment Fixed Ctr (emu)' could each be meant"),
        (dat() + ",9,300 K,1e4,1e-4,1e-8,,\n", "line 20: Temperature (K) = '300 K' is not a number"),
        ("[Header]\n[Data]\n", "no column with a temperature"),
        ("[Header]\n[Data]\n" + TITLES + "\n", "no row with a temperature and a magnetisation"),
    ],
)
def test_a_bad_file_of_an_instrument_gets_one_line(text, message, tmp_path):
    with refused("film.dat", message):
        read(tmp_path, text, "film.dat")
