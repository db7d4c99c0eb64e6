/* rollback: ./svr.sh rollback: back to the last good code and configuration
 *
 * needs: kept
 *
 * That is the pair which the part `probation` keeps as good or, if that one is
 * running, the one before it. A later start runs it too, until build/handler.so
 * changes; a reload takes what make built. No function for hooks. */
