/* layout-reader: the layout of types, from the debug information of a handler
 *
 * use: parts
 * needs: layout-list
 * program: layout-reader -ldw -lelf
 * packages: libdw-dev
 *
 * A program of its own, build/layout-reader, since what reads a damaged file
 * may die of it:
 *
 *   layout-reader [--state] OLD NEW [LIST]
 *
 * compares NEW, a handler.so, with OLD, a handler.so or a list that an earlier
 * call wrote ("-": with nothing), and prints one line: LAYOUT_SAME,
 * LAYOUT_CHANGED or LAYOUT_UNKNOWN (layout-list.h), and after a colon what
 * changed, or why it is not known. It writes to LIST,
 * which must not exist, all types that are known now: those of NEW, and those
 * of OLD that NEW does not have, since data of them may be alive. With --state
 * only what the state's bytes consist of is compared, not what its pointers
 * lead to. What an end without such a line means is up to the caller. */
#ifndef LAYOUT_READER_H
#define LAYOUT_READER_H

#endif
