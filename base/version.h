/* Which crr this is. The protocol has a version of its own, CRR_OUR_VERSION. */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

#define CRR_RELEASE "0.1.0"

#endif
