/* tiny-new: makes a server project. Options, names, and what it says. */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "data.h"
#include "derive.h"
#include "fail.h"
#include "project.h"
#include "update.h"

enum { REFUSED = 1, USAGE = 2, NAME_MAX_ = 40, DRY_RUN = 256, GIT, UPDATE };
enum { LIST_SIZE = 4 * UPDATE_WITH, NEEDS_DEPTH = 3 };

static const char practical[] =
    "listen metrics notify probation reaper report restart rollback rotate";

static void
help(void) {
    puts(
        "Usage: tiny-new [OPTION]... DIR\n"
        "Make a C server project in DIR, named after its last part.\n\n"
        "  -n, --name=NAME           another name for the server\n"
        "  -t, --template=NAME       what it starts from (default: worker)\n"
        "  -w, --with=PART[,PART]... the parts it has; all, none (default: a "
        "practical set)\n"
        "      --update              bring Tiny's files of the project DIR to "
        "this\n"
        "                            version, and add the parts of --with\n"
        "  -l, --list                list templates and parts\n"
        "      --dry-run             list the files, or changes; make nothing\n"
        "      --git                 make it a git repository with a first "
        "commit\n"
        "  -q, --quiet               say nothing when all is well\n"
        "  -h, --help                show this help\n"
        "  -V, --version             show the version\n\n"
        "Exit status: 0 made, 1 refused or failed, or an update left files "
        "that "
        "you\nedited, 2 wrong usage.\n"
        "Then: cd DIR, make && ./svr.sh start");
}

static void
version(void) {
    puts("tiny-new (Tiny) " VERSION "\n"
         "License: ISC. There is no warranty, as far as the law permits.");
}

static int
wrong_usage(void) {
    fputs("Try 'tiny-new --help'.\n", stderr);
    return USAGE;
}

static int
list(void) {
    char **templates = data_templates(), **parts = data_parts(), *about;
    puts("Templates:");
    for (char **name = templates; name && *name; name++)
        if ((about = data_about(false, *name)))
            printf("  %-12s %s\n", *name, about);
    puts("Parts:");
    for (char **name = parts; name && *name; name++)
        if ((about = data_about(true, *name)))
            printf("  %-12s %s\n", *name, about);
    return data_lost() || fflush(stdout) != 0 ? REFUSED : 0;
}

static bool
contains(char **names, const char *name, size_t length) {
    for (; *names; names++)
        if (strlen(*names) == length && strncmp(*names, name, length) == 0)
            return true;
    return false;
}

static int
check_name(const char *name) {
    size_t length = strlen(name);
    if (length == 0 || length > NAME_MAX_ || *name < 'a' || *name > 'z' ||
        name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-")] != '\0')
        return fail("\"%.60s\" is no name: it takes a-z, 0-9, _ and -, a "
                    "letter first, 40 at most (see --name)",
                    name);
    if (derive_keyword(name) || strcmp(name, "handler") == 0)
        return fail("\"%s\" is taken: a word of C, or the handler's name (see "
                    "--name)",
                    name);
    return 0;
}

/* Picks the parts that were asked for, each once, in the order of names. */
static char **
choose_parts(const char *with) {
    char **all = data_parts(), **chosen = all;
    for (const char *word = with; all && with && *with; word = with) {
        size_t length = strcspn(with, ",");
        with += length + (with[length] == ',');
        if ((length == 3 && !strncmp(word, "all", 3)) ||
            (length == 4 && !strncmp(word, "none", 4)) ||
            contains(all, word, length))
            continue;
        fail("there is no part \"%.*s\" (see --list)", (int)length, word);
        return NULL;
    }
    return chosen;
}

/* Adds words to a list ",WORD,WORD,". */
static void
want(char list[LIST_SIZE], const char *words) {
    size_t used = strlen(list);
    snprintf(list + used, LIST_SIZE - used, "%s,", words);
    for (char *space = list + used; (space = strchr(space, ' '));)
        *space = ',';
}

static bool
is_wanted(const char list[LIST_SIZE], const char *name) {
    char word[256];
    snprintf(word, sizeof word, ",%s,", name);
    return strstr(list, ",all,") || strstr(list, word);
}

/* Keeps those parts that were asked for, or that the template or another part
 * needs. */
static void
keep_parts(char **all, const char *with, const char *template) {
    char **kept = all, wanted[LIST_SIZE] = ",", needs[WORDS_SIZE];
    data_words(false, template, "parts", needs);
    want(wanted, needs);
    want(wanted, with ? with : practical);
    for (int depth = 0; depth < NEEDS_DEPTH; depth++) {
        for (char **part = all; *part; part++) {
            data_words(true, *part, "needs", needs);
            if (*needs && is_wanted(wanted, *part))
                want(wanted, needs);
        }
    }
    for (; *all; all++)
        if (is_wanted(wanted, *all))
            *kept++ = *all;
    *kept = NULL;
}

/* The last part of a path; cut at what no name is long enough for. */
static const char *
last_part(const char *folder) {
    static char name[512];
    size_t end = strlen(folder);
    while (end > 1 && folder[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && folder[start - 1] != '/')
        start--;
    snprintf(name, sizeof name, "%.*s", (int)(end - start), folder + start);
    return name;
}

/* What led to this project, in one form for all ways to say it. */
static char *
arguments(const struct project *project) {
    struct buffer text;
    FILE *out = buffer_open(&text);
    if (!out)
        return NULL;
    fprintf(out, "--name=%s --template=%s --with=", project->name,
            project->template);
    for (char **part = project->parts; *part; part++)
        fprintf(out, "%s%s", part == project->parts ? "" : ",", *part);
    if (!*project->parts)
        fputs("none", out);
    return buffer_close(&text, out) == 0 ? text.text : NULL;
}

static void
say_parts(const struct project *project) {
    for (char **part = project->parts; *part; part++)
        printf(" %s", *part);
    puts(*project->parts ? "" : " none");
}

static void
say_made(const struct project *project) {
    printf("%s: made from %s, %d files, parts:", project->folder,
           project->template, project->files);
    say_parts(project);
    printf("Next:\n  cd %s\n  make && ./svr.sh start\n  ./svr.sh status\n",
           project->folder);
}

/* The parts of a project that is to be updated, and those that are to come. */
static const char *
also(struct project *project, const char *with, char all[2 * UPDATE_WITH]) {
    char had[UPDATE_WITH];
    if (update_read(project, had) < 0)
        return NULL;
    snprintf(all, (size_t)2 * UPDATE_WITH, "%s,%s", had, with ? with : "none");
    return all;
}

int
main(int argc, char *argv[]) {
    static const struct option options[] = {
        {"name", required_argument, NULL, 'n'},
        {"template", required_argument, NULL, 't'},
        {"with", required_argument, NULL, 'w'},
        {"list", no_argument, NULL, 'l'},
        {"dry-run", no_argument, NULL, DRY_RUN},
        {"git", no_argument, NULL, GIT},
        {"update", no_argument, NULL, UPDATE},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0}};
    struct project project = {.name = NULL};
    const char *with = NULL;
    bool lists = false;
    int option;
    while ((option = getopt_long(argc, argv, "n:t:w:lqhV", options, NULL)) >=
           0) {
        switch (option) {
        case 'n':
            project.name = optarg;
            break;
        case 't':
            project.template = optarg;
            break;
        case 'w':
            with = optarg;
            break;
        case 'l':
            lists = true;
            break;
        case DRY_RUN:
            project.dry_run = true;
            break;
        case UPDATE:
            project.update = true;
            break;
        case GIT:
            project.git = true;
            break;
        case 'q':
            project.quiet = true;
            break;
        case 'h':
            help();
            return 0;
        case 'V':
            version();
            return 0;
        default:
            return wrong_usage();
        }
    }
    if (lists)
        return data_find() < 0 ? REFUSED : list();
    if (optind + 1 != argc) {
        fail(optind == argc ? "which DIR?" : "one DIR at a time");
        return wrong_usage();
    }
    project.folder = argv[optind];
    if (data_find() < 0)
        return REFUSED;
    char all[2 * UPDATE_WITH];
    if (project.update) {
        if (project.name || project.template || project.git) {
            fail("--update takes DIR, --with, --dry-run and --quiet alone");
            return wrong_usage();
        }
        with = also(&project, with, all);
        if (!with)
            return REFUSED;
    }
    if (!project.name)
        project.name = last_part(project.folder);
    if (check_name(project.name) < 0)
        return REFUSED;
    if (!project.template)
        project.template = "worker";
    char **templates = data_templates();
    if (!templates)
        return REFUSED;
    if (!contains(templates, project.template, strlen(project.template))) {
        fail("there is no template \"%.40s\" (see --list)", project.template);
        return REFUSED;
    }
    project.parts = choose_parts(with);
    if (!project.parts)
        return REFUSED;
    keep_parts(project.parts, with, project.template);
    project.arguments = arguments(&project);
    if (!project.arguments)
        fail("no memory");
    if (data_lost() || !project.arguments || project_make(&project) < 0)
        return REFUSED;
    if (project.update && !project.quiet)
        printf("%s: %s " VERSION ", parts:", project.folder,
               project.dry_run ? "would be at" : "is at");
    if (project.update && !project.quiet)
        say_parts(&project);
    else if (!project.quiet && !project.dry_run)
        say_made(&project);
    return 0;
}
