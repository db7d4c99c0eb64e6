# tiny.mk: builds the server and the handler. Your Makefile includes it, and sets
# NAME, SOURCES and, optionally, CFLAGS, LDLIBS (for your code) and CC.
#
#   make          build/NAME and build/handler.so
#   make debug    the same with sanitizers, until `make release`
#   make check    runs your tests; exits with 77 without bats
#   make install prefix=/opt/NAME user=NAME    the folder without sources, ready
#                 to run; the user of the systemd unit owns run/ and log/ there
#   make dist     NAME-VERSION.tar.xz: the sources, all that .gitignore does not name
#   make clean
#
# make prints one short line for each file; V=1 prints the whole commands.

CFLAGS ?= -O2 -g
# (C++ does not convert numbers to pointers, and lacks that option.)
CXXFLAGS ?= $(filter-out -Werror=int-conversion,$(CFLAGS))
WARNINGS ?= -Wall -Wextra -Wpedantic
CXX ?= c++
# The compiler for programs that the build itself runs, in a cross build too.
CC_FOR_BUILD ?= cc
prefix ?= /opt/$(NAME)
user ?= $(NAME)

# Use all cores, unless -j is given.
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
CORES := $(shell nproc 2>/dev/null || echo 1)
MAKEFLAGS += -j$(CORES)
endif

# One short line for each file: $(call QUIET,WORD,FILE)COMMAND; none with make -s.
SILENT := $(findstring s,$(filter-out --%,$(firstword -$(MAKEFLAGS))))
QUIET = $(if $(V),,@$(if $(SILENT),,printf '  %-4s %s\n' $(1) '$(2)';))
AT = $(if $(V),,@)

.PHONY: all unlocked debug release check install dist clean compiler

# One make at a time: two would use each other's files.
ifdef TINY_LOCKED
all: unlocked
else
all:
	@mkdir -p build; if command -v flock >/dev/null; then \
		exec flock build/.lock $(MAKE) --no-print-directory TINY_LOCKED=1 all; \
	else \
		exec $(MAKE) --no-print-directory TINY_LOCKED=1 all; \
	fi
endif

# Each of these is built with all others.
ifndef TINY_LOCKED
build/$(NAME) build/handler.so svr_conf.h: all ;
else # up to its endif: the build itself

# The mode stays until it is changed, also in the make of a reload.
MODE := $(or $(strip $(file <build/.mode)),release)
MODE_FLAGS_release = $(if $(findstring _FORTIFY_SOURCE,$(CFLAGS)),, \
	$(if $(filter -O1 -O2 -O3 -Os -O,$(CFLAGS)),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2))
MODE_FLAGS_debug = -O1 -fno-omit-frame-pointer -fsanitize=address,undefined
MODE_FLAGS = $(MODE_FLAGS_$(MODE))

# The libraries that the headers of the parts name.
PART_LIBS := $(shell sed -n 's/^ \* libs://p' parts/*.h 2>/dev/null)

# Fewer segments to map make a swap shorter, and a server smaller.
LEAN = -Wl,-z,noseparate-code

# A backtrace loads no library: its functions are in the server, which hides
# them from the handler.
UNWIND = -static-libgcc -Wl,--exclude-libs,ALL,--eh-frame-hdr

# 64-bit time and file offsets on 32-bit machines; backtraces on all; gcc would
# note for i386 that _Atomic double changed in gcc 11.
MACHINE = -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -funwind-tables -Wno-psabi

# Parts with "program: NAME LIBRARIES" in their headers are not linked into the
# server: each is a program of that name.
PROGRAMS := $(sort $(shell sed -n 's/^ \* program: \([^ ]*\).*/\1/p' parts/*.h 2>/dev/null))
PROGRAM_PARTS = $(patsubst %.h,%,$(shell grep -l '^ \* program: $(1)\b' parts/*.h))
PROGRAM_LIBS = $(shell sed -n 's/^ \* program: $(1) //p' parts/*.h)
PROGRAM_FILES = $(PROGRAMS:%=build/programs.d/%)

TINY := $(sort $(wildcard runtime/*.c) $(filter-out \
	$(foreach program,$(PROGRAMS),$(addsuffix .c,$(call PROGRAM_PARTS,$(program)))),$(wildcard parts/*.c)))
PUBLIC = $(sort runtime/svr.h $(wildcard parts/*.h))

# The handler and the server refuse each other unless these are the same.
ABI := $(shell cat $(PUBLIC) | cksum | cut -d' ' -f1)

COMMON = $(WARNINGS) -fPIC -fvisibility=hidden -pthread -Iruntime -Iparts \
	-DSVR_ABI=$(ABI)UL $(MACHINE)
ALL_CFLAGS = -std=c11 $(COMMON) $(CFLAGS) $(MODE_FLAGS)
ALL_CXXFLAGS = -std=c++17 $(COMMON) $(CXXFLAGS) $(MODE_FLAGS)
SERVER_OBJECTS = $(TINY:%.c=build/objects.d/%.o)
HANDLER_OBJECTS = $(patsubst %,build/objects.d/%.o,$(basename $(SOURCES)))
LINK = $(if $(filter %.cpp,$(SOURCES)),$(CXX),$(CC))

# A cross build derives svr_conf.h with a program built for this machine.
MACHINE_OF = $(shell $(1) -dumpmachine 2>/dev/null)
CROSS := $(if $(filter-out $(CC_FOR_BUILD),$(CC)),$(filter-out \
	$(call MACHINE_OF,$(CC_FOR_BUILD)),$(call MACHINE_OF,$(CC))))
DERIVER = $(if $(CROSS),build/derive,build/$(NAME))

unlocked: build/$(NAME) build/handler.so $(PROGRAM_FILES)

FOLDERS = $(sort $(dir $(SERVER_OBJECTS) $(HANDLER_OBJECTS)))
ifneq ($(filter-out $(wildcard $(FOLDERS)),$(FOLDERS)),)
CREATED := $(shell mkdir -p $(FOLDERS))
endif

# A file has changed if its content has, whatever its time: it may come from a
# backup, or the clock may have been set. build/sums has the checksums of all
# sources; what depends on a changed one is built again.
INPUTS = $(wildcard $(SOURCES) *.h svr_conf Makefile runtime/* parts/*)
define TAKE_BACK
cksum $(INPUTS) > build/sums.new; \
test -e build/sums || cp build/sums.new build/sums; \
cmp -s build/sums build/sums.new || \
for file in $$(sort build/sums build/sums.new | uniq -u | cut -d" " -f3- | \
	sort -u); do \
	find build/objects.d -name "*.d" -exec grep -lF -e " $$file" {} + \
		2>/dev/null | sed "s/d$$/o/" | xargs rm -f; \
	case $$file in \
	runtime/*|parts/*) \
		made="build/$(NAME) build/derive svr_conf.h $(PROGRAM_FILES)";; \
	svr_conf) made=svr_conf.h;; \
	*) made=build/handler.so;; \
	esac; \
	touch -c -d @0 $$made; \
done; \
mv -f build/sums.new build/sums
endef
TAKEN_BACK := $(shell $(TAKE_BACK))

# The linker writes to a temporary name, so that no half-written file is visible.
build/$(NAME): $(SERVER_OBJECTS)
	$(call QUIET,LINK,$@)$(CC) $(CFLAGS) $(MODE_FLAGS) -pthread -rdynamic \
		$(LEAN) $(UNWIND) -o $@.new $(SERVER_OBJECTS) -ldl $(PART_LIBS)
	$(AT)mv -f $@.new $@

define PROGRAM_RULE
build/programs.d/$(1): $(addprefix build/objects.d/,$(addsuffix .o,$(call PROGRAM_PARTS,$(1))))
	@mkdir -p $$(@D)
	$$(call QUIET,LINK,$$@)$$(CC) $$(CFLAGS) $$(MODE_FLAGS) -o $$@.new $$^ $(call PROGRAM_LIBS,$(1))
	$$(AT)mv -f $$@.new $$@
endef
$(foreach program,$(PROGRAMS),$(eval $(call PROGRAM_RULE,$(program))))

LINK_HANDLER = $(LINK) $(CFLAGS) $(MODE_FLAGS) -pthread -shared $(LEAN) \
	$(LDFLAGS) -o $@.new $(HANDLER_OBJECTS)

# A reload resets static variables: handler.so lists them, for a warning.
NM = $(shell $(CC) -print-prog-name=nm)
LIST_STATICS = $(NM) -f sysv $@.new 2>/dev/null | awk -F"|" \
	'$$4 ~ /OBJECT/ && $$7 ~ /^\.(data|bss)/ && $$7 !~ /\.rel\.ro/ && \
	$$1 !~ /^(_|completed\.0)/ { gsub(" ", "", $$1); printf s $$1; s = ", " }'

build/handler.so: $(HANDLER_OBJECTS)
	$(call QUIET,LINK,$@)$(LINK_HANDLER) $(LDLIBS)
	@statics=$$($(LIST_STATICS)); test -z "$$statics" || { \
		printf 'extern const char svr_statics[]; __attribute__((%s))%s"%s";\n' \
			'visibility("default")' 'const char svr_statics[]=' "$$statics" | \
			$(CC) $(ALL_CFLAGS) -xc -c -o build/statics.o - && \
		$(LINK_HANDLER) build/statics.o $(LDLIBS); }
	$(AT)mv -f $@.new $@

# The macros of the C library, which cannot be names of fields.
HEADERS = assert complex ctype errno fcntl fenv float inttypes limits locale math \
	poll pthread setjmp signal stdarg stdbool stddef stdint stdio stdlib string \
	sys/socket sys/stat sys/types sys/wait time unistd wchar wctype
MACROS = printf '\043include <%s.h>\n' $(HEADERS) | \
	$(CC) -std=c11 -D_GNU_SOURCE $(CFLAGS) -E -dM -

# The server's own parser derives svr_conf.h from svr_conf.
svr_conf.h: svr_conf $(TINY) | $(DERIVER)
	$(call QUIET,CONF,$@)$(MACROS) | $(DERIVER) --derive - > $@.new || { rm -f $@.new; exit 1; }
	$(AT)if cmp -s $@.new $@; then rm -f $@.new; touch $@; else mv -f $@.new $@; fi

build/derive: $(TINY)
	$(call QUIET,CC,$@)$(CC_FOR_BUILD) -std=c11 -Iruntime -Iparts -DSVR_ABI=$(ABI)UL -pthread \
		-DSVR_PROJECT='"$(NAME)"' -rdynamic -o $@ $(TINY) -ldl $(PART_LIBS)

# Headers that parts need and a C library may lack ("header: FILE DEBIAN ALPINE"):
# a missing one is reported before anything is compiled.
build/objects.d/headers: build/objects.d/flags $(wildcard parts/*.h)
	@grep '^ \* header: ' $(wildcard parts/*.h) /dev/null | { missing=0; \
	while read -r part star word header debian alpine; do \
		echo "#include <$$header>" | $(CC) $(ALL_CFLAGS) -E - >/dev/null 2>&1 || { \
			part=$${part#parts/}; missing=1; \
			echo "the part $${part%.h:} needs $$header, which $(firstword $(CC)) does not find" \
				"(Debian: apt install $$debian; Alpine: apk add $$alpine)" >&2; }; \
	done; exit $$missing; }
	@touch $@

$(SERVER_OBJECTS): ALL_CFLAGS += -DSVR_PROJECT='"$(NAME)"'
$(HANDLER_OBJECTS): svr_conf.h

build/objects.d/%.o: %.c build/objects.d/flags | build/objects.d/headers
	$(call QUIET,CC,$<)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

build/objects.d/%.o: %.cpp build/objects.d/flags | build/objects.d/headers
	$(call QUIET,CXX,$<)$(CXX) $(ALL_CXXFLAGS) -MMD -MP -c -o $@ $<

# With other flags, another compiler or another mode everything is built again.
FLAGS := $(CC) $(ALL_CFLAGS) $(CXX) $(ALL_CXXFLAGS)
ifneq ($(strip $(file <build/objects.d/flags)),$(strip $(FLAGS)))
.PHONY: build/objects.d/flags
endif
build/objects.d/flags:
	$(file >$@,$(FLAGS))@:

-include $(wildcard build/objects.d/*.d build/objects.d/*/*.d)
endif # TINY_LOCKED

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

# An existing svr_conf is yours, and is not touched.
install: export NAME := $(NAME)
install: export DESTDIR := $(DESTDIR)
install: export FOLDER := $(prefix)
install: export TARGET := $(DESTDIR)$(prefix)
install: export RUN_AS := $(user)
install: all
	@sh runtime/install.sh $(DATA)

# The same sources give the same bytes: the date is that of the last commit.
VERSION ?= 0.1
DIST = $(NAME)-$(VERSION)
DIST_GIT = GIT_INDEX_FILE=build/dist/index git --git-dir=build/dist --work-tree=.
dist: all
	@rm -rf build/dist
	@git init -q --bare build/dist
	@$(DIST_GIT) ls-files -zo --exclude-per-directory=.gitignore \
		-x '/$(NAME)-*.tar.xz' > build/dist/files
	@date=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct -- . 2>/dev/null)}; \
	tar --format=gnu --owner=0 --group=0 --numeric-owner --mode=u+rwX,go+rX,go-w \
		--mtime=@$${date:-$$(stat -c %Y Makefile)} --hard-dereference \
		--transform='flags=rSH;s,^,$(DIST)/,' --null -T build/dist/files \
		-cf build/dist/tar
	@xz -c build/dist/tar > $(DIST).tar.xz
	@echo $(DIST).tar.xz

clean:
	rm -rf build
