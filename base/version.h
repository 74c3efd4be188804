/* The version of this crr. The protocol has its own, CRR_OUR_VERSION. */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

#define CRR_RELEASE "0.1.0"

#endif
