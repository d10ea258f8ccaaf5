# make run    install and start everything          make test    every check and test, with its own set-up
#   PLUGINS=no  leave GIMP and Krita alone            make check   the quick tests only: no editors, no browser
#   TORCH=cpu   the CPU build of torch                make quick   files, pixels and logic in half a minute
#   PORT=8765   where the server listens              make lint    style, types, docstrings
#   PYTHON=…    which Python makes .venv              make dist    wheels, sdist and the plug-ins' zips into dist/
#                                               make docs    write docs/commands.md and the tables of figures anew
#                                               make newer-editors   what depends on the version of GIMP and Krita
#                                               make pictures   take the README's pictures anew
#                                               make clean   remove what the others made, .venv too

BIN := .venv/bin
PLUGINS ?= yes
PORT ?= 8765
PACKAGES := weights server trainer plugin_gimp plugin_krita
export TORCH TORCH_INDEX PYTHON

# One thread per core and test process is plenty for small pictures, and keeps the real servers under test responsive.
TEST_THREADS ?= 2
# Test processes side by side; files stay whole, because their tests share servers.
JOBS ?= 1
PYTEST = OMP_NUM_THREADS=$(TEST_THREADS) $(BIN)/python -m pytest -q $(if $(filter-out 1,$(JOBS)),-n $(JOBS) --dist loadfile)

.DEFAULT_GOAL := help
.PHONY: help run install-plugins test newer-editors check quick lint dist docs pictures clean

help:
	@sed -n 's/^# \{0,1\}//p; /^$$/q' Makefile

run:
	@.ci/venv
ifneq ($(PLUGINS),no)
	@$(MAKE) --no-print-directory install-plugins
endif
	@echo
	@echo "Starting the server. Open the page whose address follows, or use the editors' menus:"
	@echo "  GIMP: Filters > Neural Upscale x2...    Krita: Tools > Scripts > Neural Upscale x2..."
	@echo "  Command line: $(BIN)/neural-upscale photo.jpg      Ctrl+C here stops the server."
	@exec $(BIN)/neural-upscale serve --port $(PORT)

# A plug-in that cannot be installed says why; the server is useful without it.
install-plugins:
	@-$(BIN)/neural-upscale install gimp
	@-$(BIN)/neural-upscale install krita
	@echo "Remove the plug-ins with: $(BIN)/neural-upscale uninstall"

test: lint
	@.ci/system
	$(PYTEST) --durations=20
	@$(MAKE) --no-print-directory newer-editors

# These editors change from week to week: where one cannot be installed, its tests are skipped and say why.
newer-editors:
	@.ci/venv dev
	HOSTS_SUITE=forky $(PYTEST) -rs -m versions tests/hosts tests/gimp tests/krita
	HOSTS_SUITE=krita6 $(PYTEST) -rs -m "versions and krita" tests/hosts tests/krita

check: lint
	$(PYTEST) -m "not gimp and not krita and not browser and not slow"

# No torch, no other processes.
QUICK := $(foreach name,client_files continue enlargement file_kinds files hostile_texts patience pixels psd tiling,server/test_$(name)) \
  gimp/test_installer gimp/test_models gimp/test_shared_logic krita/test_installer test_translations trainer/data/test_processing

quick:
	$(PYTEST) $(QUICK:%=tests/%.py)

lint:
	@.ci/venv dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin
	$(BIN)/pydoclint --quiet $(PACKAGES)

dist:
	@.ci/venv dev
	rm -rf build dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/python -m tests.packaging.platform_wheels dist
	$(BIN)/python -m plugin_gimp.archive dist/neural-upscale-gimp.zip
	$(BIN)/python -m plugin_krita.archive dist/neural-upscale-krita.zip
	rm -rf build *.egg-info

docs:
	@.ci/venv dev
	$(BIN)/python -m tests.docs.reference
	$(BIN)/python -m tests.docs.figures

# Of a photo that no training saw; docs/images/README.md says where it is from.
pictures:
	@.ci/venv dev
	$(BIN)/neural-upscale compare docs/images/photo.jpg --at 165,100 --size 136,96 -o docs/images/compare.png --overwrite
	$(BIN)/python -m tests.page.picture

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis tests/screenshots
