"""Many runs of one chapter, side by side on a Dask cluster: `python -m lib sweep`.

plan: which runs, and their folder; cluster: hands them out; worker: carries one out; table: results.csv; overview: a
notebook made from that.
"""
