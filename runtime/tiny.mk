# tiny.mk: builds the server and the handler. Yours is the Makefile before it:
# NAME, SOURCES, and, if you like, CFLAGS, LDLIBS (for your code) and CC.
#
#   make          build/NAME and build/handler.so
#   make debug    the same with sanitizers, until `make release`
#   make check    your tests; exit 77 without bats
#   make install prefix=/opt/NAME user=NAME    the folder without sources, ready
#                 to run; the user of the systemd unit owns run/ and log/ there
#   make clean

CFLAGS ?= -O2 -g
WARNINGS = -std=c11 -Wall -Wextra -Wpedantic -Werror
prefix ?= /opt/$(NAME)
user ?= $(NAME)

# The mode stays until it is changed, so that a reload's make keeps it.
MODE := $(or $(shell cat build/.mode 2>/dev/null),release)
MODE_FLAGS_release = $(if $(filter -O1 -O2 -O3 -Os -O,$(CFLAGS)), \
	-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
MODE_FLAGS_debug = -O1 -fno-omit-frame-pointer -fsanitize=address,undefined
MODE_FLAGS = $(MODE_FLAGS_$(MODE))

# What parts are linked with, by their own word.
PART_LIBS := $(shell cat parts/*.h 2>/dev/null | sed -n 's/^ \* libs://p')

# Fewer pieces to map: a swap is shorter, and a server smaller.
LEAN = -Wl,-z,noseparate-code

TINY = $(sort $(wildcard runtime/*.c parts/*.c))
PUBLIC = $(sort runtime/svr.h $(wildcard parts/*.h))

# The handler and the server refuse each other unless these are the same.
ABI := $(shell cat $(PUBLIC) | cksum | cut -d' ' -f1)

ALL_CFLAGS = $(WARNINGS) -fPIC -fvisibility=hidden -pthread -Iruntime -Iparts \
	-DSVR_ABI=$(ABI)UL $(CFLAGS) $(MODE_FLAGS)
SERVER_OBJECTS = $(TINY:%.c=build/objects.d/%.o)
HANDLER_OBJECTS = $(SOURCES:%.c=build/objects.d/%.o)

# All cores, unless you say how many.
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 1)
endif

.PHONY: all debug release check install clean compiler
all: build/$(NAME) build/handler.so

# A link goes to a temporary name first: nobody ever sees half a file.
build/$(NAME): $(SERVER_OBJECTS)
	$(CC) $(CFLAGS) $(MODE_FLAGS) -pthread -rdynamic $(LEAN) -o $@.new \
		$(SERVER_OBJECTS) -ldl $(PART_LIBS)
	mv -f $@.new $@

build/handler.so: $(HANDLER_OBJECTS)
	$(CC) $(CFLAGS) $(MODE_FLAGS) -pthread -shared $(LEAN) $(LDFLAGS) \
		-o $@.new $(HANDLER_OBJECTS) $(LDLIBS)
	mv -f $@.new $@

# The server itself reads svr_conf for the compiler, with the parser that it
# uses at run time.
svr_conf.h: svr_conf $(TINY) | build/$(NAME)
	build/$(NAME) --derive > $@.new || { rm -f $@.new; exit 1; }
	if cmp -s $@.new $@; then rm -f $@.new; touch $@; else mv -f $@.new $@; fi

$(SERVER_OBJECTS): ALL_CFLAGS += -DSVR_PROJECT='"$(NAME)"'
$(HANDLER_OBJECTS): svr_conf.h

build/objects.d/%.o: %.c build/objects.d/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Other flags, another compiler or another mode: all is built anew.
FLAGS := $(CC) $(ALL_CFLAGS)
ifneq ($(shell cat build/objects.d/flags 2>/dev/null),$(FLAGS))
.PHONY: build/objects.d/flags
endif
build/objects.d/flags:
	@mkdir -p $(@D)
	@printf '%s\n' '$(FLAGS)' > $@

compiler:
	@command -v $(firstword $(CC))

debug release:
	@mkdir -p build
	@echo $@ > build/.mode
	@$(MAKE) --no-print-directory all

check: all
	@command -v bats >/dev/null || { echo 'bats is not installed: nothing' \
		'was tested (Debian: apt-get install bats)'; exit 77; }
	bats tests

# What is there already and yours, svr_conf, is not touched.
install: export NAME := $(NAME)
install: export DESTDIR := $(DESTDIR)
install: export FOLDER := $(prefix)
install: export TARGET := $(DESTDIR)$(prefix)
install: export RUN_AS := $(user)
install: all
	@sh runtime/install.sh $(DATA)

clean:
	rm -rf build

-include $(wildcard build/objects.d/*.d build/objects.d/*/*.d)
