"""Setting and grading the assignments. Nothing here imports the course's own package.

| module | what it does |
|---|---|
| `masters` | one text with solutions → the students' notebook, and the one to grade by |
| `submissions` | finds the students' notebooks in a download, puts each into order |
| `sandbox` | a Python kernel that sees no network and no files but the course's |
| `guard` | runs beside the tests, and notices when somebody tampers with them |
| `grading` | runs one submission, and many, on all cores |
| `report` | tables, upload files, feedback pages, statistics |

`python -m classroom release` and `python -m classroom grade FROM TO` are the two commands.
"""
