/* tiny-new: makes a server project. Options, names and output. */
#define _GNU_SOURCE
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buffer.h"
#include "data.h"
#include "derive.h"
#include "fail.h"
#include "project.h"
#include "update.h"

enum { REFUSED = 1, USAGE = 2, NAME_MAX_ = 40 };
enum { DRY_RUN = 256, GIT, UPDATE, WITHOUT };
enum { LIST_SIZE = 4 * UPDATE_WITH, NEEDS_DEPTH = 6 };

static const char practical[] =
    "json,listen,metrics,notify,probation,reaper,report,restart,rollback,"
    "rotate";

static void
help(void) {
    puts("Usage: tiny-new [OPTION]... DIR\n"
         "Make a C server project in DIR, a new or empty folder. The server's "
         "name is the\nlast component of DIR (of the current folder if DIR is "
         "\".\").\n\n"
         "  -n, --name=NAME           give the server another name\n"
         "  -t, --template=NAME       the template to start from (default: "
         "worker)\n"
         "  -w, --with=PART[,PART]... add parts to the default set; \"all\" = "
         "all parts;\n"
         "                            \"none,PART...\" = only those parts\n"
         "      --without=PART[,PART]...\n"
         "                            leave parts out of the default set\n"
         "      --update              bring Tiny's files in the project DIR to "
         "this\n"
         "                            version, and add the parts of --with\n"
         "  -l, --list                list templates and parts\n"
         "      --dry-run             only list the files, or the changes\n"
         "      --git                 make DIR a git repository with a first "
         "commit\n"
         "  -q, --quiet               print nothing on success\n"
         "  -h, --help                show this help\n"
         "  -V, --version             show the version\n\n"
         "Exit status: 0 = made; 1 = refused or failed, or an update kept "
         "files that you\nedited; 2 = wrong usage.\n"
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
    for (int inner = 0; inner < 2; inner++) {
        char use[WORDS_SIZE];
        puts(inner ? "Parts that are added when others need them:" : "Parts:");
        for (char **name = parts; name && *name; name++) {
            data_words(true, *name, "use", use);
            if ((*use != '\0') == inner && (about = data_about(true, *name)))
                printf("  %-12s %s\n", *name, about);
        }
    }
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
        return fail("\"%.60s\" is not a valid name: use at most 40 of a-z, "
                    "0-9, _ and -, beginning with a letter (see --name)",
                    name);
    if (derive_keyword(name) || strcmp(name, "handler") == 0)
        return fail(
            "\"%s\" is reserved: it is a keyword of C, or the handler's name; "
            "use another name of at most 40 of a-z, 0-9, _ and -, beginning "
            "with a letter (see --name)",
            name);
    return 0;
}

/* Whether "A,B,..." has a word. */
static bool
names_it(const char *list, const char *word) {
    size_t length = strlen(word);
    while (list && *list) {
        size_t next = strcspn(list, ",");
        if (next == length && strncmp(list, word, length) == 0)
            return true;
        list += next + (list[next] == ',');
    }
    return false;
}

/* Refuses a list with a word that is neither a part nor in `more`. */
static int
check_list(char **parts, const char *list, const char *more) {
    while (list && *list) {
        char word[64];
        size_t length = strcspn(list, ",");
        snprintf(word, sizeof word, "%.*s", (int)length, list);
        if (!contains(parts, list, length) && !names_it(more, word))
            return fail("there is no part \"%.*s\" (see --list)", (int)length,
                        list);
        list += length + (list[length] == ',');
    }
    return 0;
}

/* What the command line asks for. */
struct wish {
    const char *had; /* the project's parts, for an update; or NULL */
    const char *with, *without;
};

static bool
is_chosen(const struct wish *wish, const char *part) {
    bool none = wish->had || names_it(wish->with, "none");
    return !names_it(wish->without, part) &&
           ((!none && names_it(practical, part)) || names_it(wish->had, part) ||
            names_it(wish->with, part) || names_it(wish->with, "all"));
}

/* Adds words to a list ",WORD,WORD,". */
static void
want(char list[LIST_SIZE], const char *words) {
    size_t used = strlen(list);
    snprintf(list + used, LIST_SIZE - used, "%s,", words);
    for (char *space = list + used; (space = strchr(space, ' '));)
        *space = ',';
}

/* Chooses the parts that are wanted, and those that the template or another
 * part needs; each once, sorted by name. NULL = refused. */
static char **
choose_parts(const struct wish *wish, const char *template) {
    char **all = data_parts(), **kept = all, wanted[LIST_SIZE] = ",";
    char needs[WORDS_SIZE];
    if (!all || check_list(all, wish->with, "all,none") < 0 ||
        check_list(all, wish->without, "") < 0)
        return NULL;
    data_words(false, template, "parts", needs);
    want(wanted, needs);
    for (char **part = all; *part; part++)
        if (is_chosen(wish, *part))
            want(wanted, *part);
    for (int depth = 0; depth < NEEDS_DEPTH; depth++) {
        for (char **part = all; *part; part++) {
            data_words(true, *part, "needs", needs);
            if (*needs && names_it(wanted, *part))
                want(wanted, needs);
        }
    }
    for (char **part = all; *part; part++)
        if (names_it(wanted, *part))
            *kept++ = *part;
    *kept = NULL;
    return all;
}

/* The last component of a path, cut to a length that no name may have. */
static const char *
last_part(const char *folder) {
    static char name[512], here[PATH_MAX];
    if (strcmp(folder, ".") == 0 && getcwd(here, sizeof here))
        folder = here;
    size_t end = strlen(folder);
    while (end > 1 && folder[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && folder[start - 1] != '/')
        start--;
    snprintf(name, sizeof name, "%.*s", (int)(end - start), folder + start);
    return name;
}

/* The arguments that describe this project, in one normal form. */
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

int
main(int argc, char *argv[]) {
    static const struct option options[] = {
        {"name", required_argument, NULL, 'n'},
        {"template", required_argument, NULL, 't'},
        {"with", required_argument, NULL, 'w'},
        {"without", required_argument, NULL, WITHOUT},
        {"list", no_argument, NULL, 'l'},
        {"dry-run", no_argument, NULL, DRY_RUN},
        {"git", no_argument, NULL, GIT},
        {"update", no_argument, NULL, UPDATE},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0}};
    struct project project = {.name = NULL};
    struct wish wish = {.with = NULL};
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
            wish.with = optarg;
            break;
        case WITHOUT:
            wish.without = optarg;
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
        fail(optind == argc ? "DIR is missing" : "only one DIR is allowed");
        return wrong_usage();
    }
    project.folder = argv[optind];
    if (data_find() < 0)
        return REFUSED;
    char had[UPDATE_WITH];
    if (project.update) {
        if (project.name || project.template || project.git || wish.without) {
            fail("--update takes only DIR, --with, --dry-run and --quiet");
            return wrong_usage();
        }
        if (update_read(&project, had) < 0)
            return REFUSED;
        wish.had = had;
        project.apply = update_apply;
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
    project.parts = choose_parts(&wish, project.template);
    if (!project.parts)
        return REFUSED;
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
