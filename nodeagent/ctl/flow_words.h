/* Actions of the switch's flows in words: netplugin/flows.h says what tables and registers are.
 * Pure. */
#ifndef NODEAGENT_CTL_FLOW_WORDS_H
#define NODEAGENT_CTL_FLOW_WORDS_H

#define FLOW_WORDS_SIZE 128

/* "set_field:0xa->reg0" is "it comes from network 10". What has no words is shown as it is, cut. */
const char *flow_words(const char *action, char buf[FLOW_WORDS_SIZE]);

#endif
