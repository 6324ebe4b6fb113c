#include "nodeagent/api/descriptor_set.h"

/* The Makefile makes all.set of everything in proto/ and names its folder to the assembler. */
__asm__(".section .rodata\n"
	".balign 16\n"
	".global descriptor_set_begin\n"
	".global descriptor_set_end\n"
	"descriptor_set_begin:\n"
	".incbin \"all.set\"\n"
	"descriptor_set_end:\n"
	".previous\n");
