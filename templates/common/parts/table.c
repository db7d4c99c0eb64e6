/* table: the parts of this server. Written by tiny-new. */
#include "part.h"

__PART_DECLARATIONS__
const struct part *const parts[] = {__PART_ROWS__ NULL};
