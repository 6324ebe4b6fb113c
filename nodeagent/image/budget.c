#include "nodeagent/image/budget.h"

int budget_stream(struct budget *budget, uint64_t in, uint64_t size, struct error *err)
{
	const struct import_limits *l = &budget->limits;

	budget->out += size;
	if (budget->out > l->unpacked)
		return error_set(err, ERR_EXHAUSTED, 0, "the layers unpack to more than %llu bytes",
			(unsigned long long)l->unpacked);
#ifndef BULKHEAD_WEAK_RATIO
	if (budget->out > l->ratio_floor && budget->out / l->ratio > budget->in + in)
		return error_set(err, ERR_EXHAUSTED, 0,
			"the layers are compressed more than %llu to 1",
			(unsigned long long)l->ratio);
#else
	(void)in;
#endif
	return 0;
}

int budget_entry(struct budget *budget, uint64_t size, struct error *err)
{
	const struct import_limits *l = &budget->limits;

	if (++budget->entries > l->entries)
		return error_set(err, ERR_EXHAUSTED, 0, "the layers hold more than %llu files",
			(unsigned long long)l->entries);
	/* A sparse file may say any size without a byte of data. */
	if (size > l->unpacked || budget->files + size > l->unpacked)
		return error_set(err, ERR_EXHAUSTED, 0,
			"the files of the layers have more than %llu bytes",
			(unsigned long long)l->unpacked);
	budget->files += size;
	return 0;
}
