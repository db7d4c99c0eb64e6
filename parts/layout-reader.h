/* layout-reader: reads the layout of types from a handler's debug information
 *
 * use: parts
 * needs: layout-list
 * program: layout-reader -ldw -lelf
 * packages: libdw-dev
 *
 * A separate program, build/programs.d/layout-reader, since a damaged file may
 * crash what reads it:
 *
 *   layout-reader [--state] OLD NEW [LIST]
 *
 * compares NEW, a handler.so, with OLD, a handler.so or a list that an earlier
 * call wrote ("-": with nothing), and prints one line: LAYOUT_SAME,
 * LAYOUT_CHANGED or LAYOUT_UNKNOWN (layout-list.h), and after a colon what
 * changed, or why it is not known. It writes to LIST, which must not exist, all
 * types known now: those of NEW, and those of OLD that NEW lacks, since data of
 * them may exist. With --state only the types that the state contains are
 * compared, not those that its pointers lead to. If it ends without such a
 * line, the caller decides what that means. */
#ifndef LAYOUT_READER_H
#define LAYOUT_READER_H

#endif
