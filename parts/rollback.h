/* rollback: ./svr.sh rollback: back to the last good code and configuration
 *
 * needs: kept
 *
 * It is what the part `probation` keeps as good, or, when that is what runs,
 * the one before. A later start runs it too, until build/handler.so changes; an
 * explicit reload takes what make left. No function for hooks. */
