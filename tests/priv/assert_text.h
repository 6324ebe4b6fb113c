/* Whether one text is in another; both are shown when not. After <cmocka.h>. */
#ifndef TESTS_PRIV_ASSERT_TEXT_H
#define TESTS_PRIV_ASSERT_TEXT_H

#include <string.h>

#define assert_has(text, part)                                                                     \
	do {                                                                                       \
		const char *text_ = (text);                                                        \
                                                                                                   \
		if (!text_ || !strstr(text_, (part)))                                              \
			fail_msg("'%s' is not in:\n%.800s\n", (part), text_ ? text_ : "");         \
	} while (0)
#define assert_has_not(text, part)                                                                 \
	do {                                                                                       \
		if (strstr((text), (part)))                                                        \
			fail_msg("'%s' is in:\n%.800s\n", (part), (text));                         \
	} while (0)

#endif
