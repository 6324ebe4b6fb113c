/*
 * What every user of libopenvswitch must do before it confines itself. The only file of lib/ that
 * needs that library; programs without it do not link it.
 */
#ifndef LIB_OVS_H
#define LIB_OVS_H

/*
 * Leaves libopenvswitch only its errors on stderr, and opens what it would open later: its sources
 * of randomness, the clock, the time zone.
 */
void ovs_prepare(void);

#endif
