/*
 * The serialized google.protobuf.FileDescriptorSet of everything in proto/, in the program itself.
 */
#ifndef NODEAGENT_API_DESCRIPTOR_SET_H
#define NODEAGENT_API_DESCRIPTOR_SET_H

#include <stdint.h>

extern const uint8_t descriptor_set_begin[];
extern const uint8_t descriptor_set_end[];

#endif
