#!/usr/bin/env bash
# What each program links, beside the C library: nothing that its rights do not call for. Who forks
# has no gRPC; who faces the network has nothing that needs rights.
set -u
B=${B:-build}
rows='
bulkhead-agent    | libprotobuf-c libyaml libjansson libsystemd libcap libselinux libcrypto
bulkhead-shim     | libprotobuf-c libyaml libjansson libseccomp libselinux libcap
bulkhead-api      | libprotobuf-c libyaml libjansson libgrpc libgpr libssl libcrypto libseccomp libcap
bulkhead-secretd  | libprotobuf-c libyaml libjansson libcrypto libseccomp libcap
bulkhead-netd     | libprotobuf-c libyaml libjansson libseccomp libcap libnftnl libmnl libssl libcrypto
bulkhead-cni      | libprotobuf-c libjansson
bulkhead-clusterd | libprotobuf-c libyaml libjansson libseccomp libcap libssl libcrypto
bulkhead-unpack   | libprotobuf-c libyaml libjansson libarchive libcrypto libseccomp libcap
bulkhead          | libprotobuf-c libyaml libjansson libgrpc libgpr libssl libcrypto libarchive
'
status=0
while IFS='|' read -r program may; do
	program=${program// /}
	[ -n "$program" ] || continue
	if [ ! -e "$B/$program" ]; then
		echo "$B/$program is not built" >&2
		status=1
		continue
	fi
	for lib in $(readelf -d "$B/$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\.so.*/\1/p'); do
		case " $may libc libm libpthread ld-linux-x86-64 " in
		*" $lib "* | *" ${lib%-*} "*) ;;
		*)
			echo "$program links $lib" >&2
			status=1
			;;
		esac
	done
done <<<"$rows"
exit $status
