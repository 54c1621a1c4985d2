# Every task of the course, one target each. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help book pdf slides test test-full lessons assignments grade stills lab computer check solutions bench \
	reproduce lock links newest clean whole
.DELETE_ON_ERROR:

# The first Python on the path that the course supports; `make PYTHON=... book` overrides it. Where
# there is none, uv brings one.
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11 python .venv/bin/python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo $$p && break; done)
BIN := .venv/bin
READY := .venv/installed
GRADER := .venv/classroom
SITE := _build/html/index.html
LOCK := uv pip compile --universal --python-version 3.11 --fork-strategy fewest \
	--group course --group test pyproject.toml

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.txt pyproject.toml
	@if [ -n "$(PYTHON)" ]; then exec $(PYTHON) install.py; fi; \
	if command -v uv >/dev/null; then \
		echo "No Python 3.11, 3.12 or 3.13 was found: uv brings one."; \
		uv venv --seed --allow-existing --python 3.13 .venv && exec $(BIN)/python install.py; exit 1; \
	fi; \
	echo "No Python 3.11, 3.12 or 3.13 was found. Install uv, which brings one (https://docs.astral.sh/uv says how), and run this again; or say where a Python is: make PYTHON=/path/to/python book"; exit 1

# nbgrader puts its teacher's tools into JupyterLab, so it is there only where somebody grades.
$(GRADER): $(READY) requirements-classroom.txt
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements-classroom.txt
	@touch $(GRADER)

# The archive that the site offers holds what `make lab` needs, and no more.
whole:
	@test -f _toc.yml || { echo "This copy of the course holds the lessons, but not what builds and tests the website: that is in the course's repository. To work with the lessons: make lab"; exit 2; }

book: whole $(READY)  ## build the website, and open it if there is a desktop
	$(BIN)/jupyter-book build . -W -n --keep-going
	@echo "The site is ready: open $(CURDIR)/$(SITE)"
	@if [ -z "$$CI" ]; then \
		if [ "$$(uname)" = Darwin ]; then open $(SITE); \
		elif [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] && command -v xdg-open >/dev/null; then xdg-open $(SITE); \
		fi; fi || true

pdf: whole $(READY)  ## print the whole book into a PDF, which the site then offers (needs Chromium)
	$(BIN)/jupyter-book build . -W -n --keep-going -q
	$(BIN)/python lessons_src/paper.py

slides: whole $(READY)  ## make slides of each chapter, for a meeting
	$(BIN)/jupyter-book build . -W -n --keep-going -q
	$(BIN)/python lessons_src/slides.py

# These read records: tests/test_lone.py runs them, from the wheel, in an empty folder.
FROM_WHEEL := book/08-lenet-mnist.ipynb book/09-lenet-cifar10.ipynb book/10-overfitting.ipynb book/appendix-sources-checked.ipynb
test: whole $(GRADER)  ## prove that the course is true: style, package, site, every notebook, grading
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@# All pages anew: a page that is up to date would not repeat its warning.
	$(BIN)/jupyter-book build . --all -W -n --keep-going -q
	@# One thread each: two that wait for each other on a busy core take several times as long.
	CNNLAB_TIER=sample CUDA_VISIBLE_DEVICES=-1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 \
		$(BIN)/pytest -n 2 --dist loadfile -ra --durations 8 \
		--nbval --nbval-current-env tests book $(addprefix --ignore ,$(FROM_WHEEL)) \
		--ignore tests/test_grading.py
	@# By itself, since it takes all cores and students' cells have a clock.
	$(BIN)/pytest -ra --durations 4 tests/test_grading.py

test-full: whole $(READY)  ## run the notebooks on the full data in CNNLAB_DATA, asserts only
	CNNLAB_TIER=full $(BIN)/pytest -v --durations 8 --nbval-lax --nbval-current-env book

lessons: whole $(READY)  ## execute the changed chapter sources into book/
	$(BIN)/python lessons_src/build.py

stills: whole $(READY)  ## photograph the live pieces, for print and for pages without JavaScript
	$(BIN)/python lessons_src/stills.py

CLASSROOM := $(BIN)/python -m classroom
assignments: $(GRADER)  ## check the masters, write the students' notebooks (ASSIGNMENT= CLASS= TO=)
	$(CLASSROOM) release $(ASSIGNMENT) $(if $(CLASS),--class "$(CLASS)") $(if $(TO),--to "$(TO)") \
		$(if $(MASTERS),--masters "$(MASTERS)")

grade: $(GRADER)  ## grade a class: FROM=submissions/ TO=grades/, or try FROM=one.ipynb (ASSIGNMENT= CLASS= ROSTER= JOBS= SECONDS= UNSAFE=1)
	@test -n "$(FROM)" || { echo "Say where the notebooks are and where the grades go: make grade FROM=submissions/ TO=grades/"; exit 2; }
	@$(CLASSROOM) grade "$(FROM)" $(if $(TO),"$(TO)") \
		$(if $(ASSIGNMENT),--assignment "$(ASSIGNMENT)") $(if $(CLASS),--class "$(CLASS)") $(if $(ROSTER),--roster "$(ROSTER)") \
		$(if $(MASTERS),--masters "$(MASTERS)") $(if $(JOBS),--jobs $(JOBS)) \
		$(if $(SECONDS),--cell-seconds $(SECONDS)) $(if $(UNSAFE),--unsafe)

lab: $(READY)  ## open your own copy of the lessons (folder work/) in JupyterLab
	@$(BIN)/python -m classroom.lab

computer: $(READY)  ## what this computer can do with the course, in words
	@$(BIN)/python -m cnnlab.computer

check: $(READY)  ## is an assignment ready to hand in? FILE=work/assignments/03-counting.ipynb
	@$(BIN)/python -m cnnlab.check "$(FILE)"

solutions: $(READY)  ## write the assignments with their solutions into work/solutions/, to learn alone
	@test -d lessons_src/assignments || { echo "The solutions are not in this copy. They are in the course's repository, in lessons_src/assignments/."; exit 2; }
	$(BIN)/python -m classroom.lab lessons_src/assignments work/solutions

bench: whole $(GRADER)  ## time our convolution beside TensorFlow, train-lenet beside Keras, our grading beside nbgrader's; say what moved
	PYTHONPATH=lessons_src $(BIN)/python tests/bench.py

SEEDS := 1
reproduce: $(READY)  ## train the sources' networks (SYSTEMS="S3 S7" SEEDS=3 EPOCHS=10), for hours
	CNNLAB_TIER=$(or $(CNNLAB_TIER),full) $(BIN)/python -m cnnlab.reproduce $(SYSTEMS) \
		--seeds $(SEEDS) $(if $(EPOCHS),--epochs $(EPOCHS))

lock: $(READY)  ## compute both lists of requirements anew from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/$(LOCK) --upgrade -o requirements.txt
	@# Only what is not in requirements.txt anyway.
	{ echo "# What grading takes beside the rest: written by \`make lock\`."; \
		echo "-r requirements.txt"; \
		$(BIN)/$(LOCK) --group classroom -c requirements.txt --no-annotate --no-header -q \
		| grep -vxFf requirements.txt; } > requirements-classroom.txt

links: whole $(READY)  ## do the pages' links to other places lead somewhere? (needs a network)
	$(BIN)/jupyter-book build . --builder linkcheck --path-output _build/links

# In an environment of its own: numbers may differ, but what the notebooks assert must hold.
NEWEST := .venv-newest
newest: whole  ## try the newest Keras and TensorFlow that there are (needs a network)
	$(PYTHON) -m venv --clear $(NEWEST)
	$(NEWEST)/bin/python -m pip install --upgrade pip
	$(NEWEST)/bin/python -m pip install -e . --group course --group test
	$(NEWEST)/bin/python -m pip list | grep -iE '^(keras|tensorflow|numpy) '
	CNNLAB_TIER=sample CUDA_VISIBLE_DEVICES=-1 $(NEWEST)/bin/pytest -ra --durations 4 --nbval-lax \
		--nbval-current-env book tests/test_conv.py tests/test_pooling.py tests/test_network.py \
		tests/test_ledger.py tests/test_models.py tests/test_training.py

clean:  ## remove the built site (never the environment or your work)
	rm -rf _build
