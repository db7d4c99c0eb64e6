/* json: log lines as JSON: a sink's format that is only the word json
 *
 * One object a line, with the members time, level, name, process, thread, file,
 * line, function and message. A message that does not fit is cut. No function
 * for hooks. */
