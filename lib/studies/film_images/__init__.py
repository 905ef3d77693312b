"""Your Kerr images: from a folder of frames to couplings in units of T0, a Curie temperature, and what to distrust.

`frames` reads and segments a folder and cuts patches; `drift` measures drift and takes it back; `independence` says how
many pictures the frames are worth; `couplings` reads patches by pseudolikelihood and with networks;
`findings.learn_images` is all of it together; `honesty` says what to distrust; `report` and `pictures` make tables,
records and figures of the chapter `your_images`; `example` writes the SIMULATED frames that come with it.
"""
