"""Setting and grading the assignments.

| module | what it does |
|---|---|
| `notebooks` | a text → a notebook; the chapters are made so, too |
| `plain`, `lab` | chapters and pages for Jupyter; the reader's own copy of them, in JupyterLab |
| `masters` | one text with solutions → the students' notebook, and the one to grade by |
| `submissions` | finds the students' notebooks in a download, puts each into order |
| `sandbox` | a Python interpreter that sees no network and no files but the course's |
| `room` | the Python in which tests run, beside that of a submission |
| `examiner`, `wire` | what runs there; how plain data, and nothing else, go between the two |
| `grading` | runs one submission, and many, on all cores |
| `report` | tables, upload files, feedback pages, statistics |

`python -m classroom release` and `python -m classroom grade FROM TO` are the two commands.

A class of students is called a cohort here, since `class` is a word of Python. Of the course's own
package, `cnnlab`, all that is imported is `files` and `check` (which students run before they hand
in); the sandbox shows the students' notebooks all of it.
"""
