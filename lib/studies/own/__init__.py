"""Your data: from a file of configurations somebody else made to what networks have learned from them.

`user_file` reads and checks the file; `summary` and `symmetries` say what it says by itself; `kinds` are spins, angles
and paths with their quantities and networks, `fields` and `spin_chains` two more, `base` is what all must bring;
`networks` trains and reads one network, `predictions` are other temperatures, `findings.learn_file` is all of it
together; `honesty` says what to distrust; `report` and `pictures` make the tables, records and figures of the chapter
`your_configurations`.
"""
