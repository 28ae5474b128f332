# The weights of the coach on skeletons from one seed: `make coach-weights OUT=DIR`. What is there is not made again.

PYTHON   ?= python3
OUT      ?= build/coach-weights
SEED     ?= 1
# Rendered sessions for the weights of people, and for those of drawn figures.
SESSIONS ?= 320
MORE     ?= 533
ARGS     ?=

HALF   := $(shell expr $(SESSIONS) / 2)
REST   := $(shell expr $(SESSIONS) - $(HALF))
RENDER := OMP_NUM_THREADS=1 $(PYTHON) -m cornerman_training.skeleton.rendered
TRAIN  := OMP_NUM_THREADS=1 $(PYTHON) -m cornerman_training.skeleton.train --seed $(SEED) $(ARGS)
NET    := temporal.safetensors

.PHONY: all
.DELETE_ON_ERROR:

all: $(OUT)/$(NET) $(OUT)/drawn.safetensors $(OUT)/figures.safetensors

$(OUT)/$(NET): $(OUT)/people/$(NET)
	cp $< $@

$(OUT)/drawn.safetensors: $(OUT)/alone/$(NET)
	cp $< $@

$(OUT)/figures.safetensors: $(OUT)/more/.all
	$(PYTHON) -m cornerman_training.skeleton.learn_figures --seed $(SEED) --rendered $(OUT)/more --out $@

# A training writes its weights now and then, so a finished one is told by its stamp.
$(OUT)/people/$(NET) $(OUT)/alone/$(NET): %/$(NET): %/.done

$(OUT)/first/.done:
	$(TRAIN) --out $(@D)
	touch $@

$(OUT)/people/.done: $(OUT)/first/.done $(OUT)/sessions/.all
	$(TRAIN) --out $(@D) --keep --start $(OUT)/first/$(NET) --rendered $(OUT)/sessions
	touch $@

$(OUT)/drawn/.done: $(OUT)/people/.done $(OUT)/more/.all
	$(TRAIN) --out $(@D) --drawn --start $(OUT)/people/$(NET) --rendered $(OUT)/more
	touch $@

$(OUT)/alone/.done: $(OUT)/drawn/.done
	$(TRAIN) --out $(@D) --alone --start $(OUT)/drawn/$(NET) --rendered $(OUT)/more
	touch $@

$(OUT)/sessions/.all: $(OUT)/sessions/.first-half $(OUT)/sessions/.second-half
	touch $@

$(OUT)/sessions/.first-half:
	$(RENDER) $(@D) --sessions $(HALF)
	touch $@

$(OUT)/sessions/.second-half:
	$(RENDER) $(@D) --sessions $(REST) --seed $(HALF)
	touch $@

$(OUT)/more/.all: $(OUT)/sessions/.all
	mkdir -p $(@D)
	cp $(OUT)/sessions/*.npz $(@D)
	$(RENDER) $(@D) --sessions $(MORE)
	touch $@
