#!/usr/bin/env bats
# bulkhead-secretd judged by programs that share no code with it: OpenSSL's command line, and Python
# with its own HPKE, JWT and protobuf (peers/secretd.py).

bats_require_minimum_version 1.5.0

setup_file() {
	root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	B=${B:-build}
	case $B in /*) ;; *) B=$root/$B ;; esac
	export secretd=$B/bulkhead-secretd dir
	dir=$(mktemp -d /tmp/bulkhead-secretd-interop.XXXXXX)
	chmod 755 "$dir"
	"$secretd" --init --keys "$dir/keys" --pki "$dir/pki" --cluster "$dir/cluster" --node node-1 --address 192.0.2.1 --uid 64124
	mkdir "$dir/empty" "$dir/volume" "$dir/py"
	cd "$root/proto" && protoc --proto_path=. --python_out="$dir/py" bulkhead/v1/ipc.proto \
		k8s.io/api/core/v1/core.proto k8s.io/apimachinery/pkg/api/resource/resource.proto \
		k8s.io/apimachinery/pkg/apis/meta/v1/meta.proto \
		k8s.io/apimachinery/pkg/util/intstr/intstr.proto 2>/dev/null
}
teardown_file() { rm -rf "$dir"; }

# In a mount namespace of its own, whose tmpfs goes with it.
peer() {
	timeout 60 unshare --mount --propagation private \
		/usr/bin/python3 "$BATS_TEST_DIRNAME/peers/secretd.py" "$secretd" "$dir" "$1"
}

@test "certificates verify with openssl for their purpose and name, and for no other" {
	cd "$dir/pki"
	openssl verify -x509_strict -CAfile ca.pem -purpose sslserver -verify_hostname node-1 node.pem
	openssl verify -x509_strict -CAfile ca.pem -purpose sslserver -verify_ip 192.0.2.1 node.pem
	openssl verify -x509_strict -CAfile ca.pem -purpose sslclient admin.pem
	run ! openssl verify -CAfile ca.pem -purpose sslclient node.pem
	run ! openssl verify -CAfile ca.pem -purpose sslserver admin.pem
	run ! openssl verify -CAfile ca.pem -purpose sslserver -verify_hostname node-2 node.pem
	[ "$(openssl x509 -in admin.pem -noout -subject -nameopt RFC2253)" = "subject=CN=admin,O=system:masters" ]
}
@test "an issued certificate verifies, its key fits, and neither is made over another" {
	"$secretd" --issue --keys "$dir/keys" --pki "$dir/pki" --cn ed --org bulkhead:project:red:edit \
		--out-cert "$dir/ed.pem" --out-key "$dir/ed.key"
	openssl verify -x509_strict -CAfile "$dir/pki/ca.pem" -purpose sslclient "$dir/ed.pem"
	[ "$(openssl x509 -in "$dir/ed.pem" -noout -pubkey)" = "$(openssl pkey -in "$dir/ed.key" -pubout)" ]
	[ "$(stat -c %a "$dir/ed.key")" = 600 ]
	run ! "$secretd" --issue --keys "$dir/keys" --pki "$dir/pki" --cn ed \
		--out-cert "$dir/ed.pem" --out-key "$dir/ed2.key"
	[[ $output == *"ed.pem' exists"* ]]
	[ ! -e "$dir/ed2.key" ]
}
@test "the CA signs the node's sealing key, and openssl agrees" {
	statement() {
		printf 'bulkhead-sealing-key-v1\0%s\0' "$1"
		openssl pkey -in "$dir/keys/sealing.key" -pubout -outform DER | tail -c 32
	}
	openssl x509 -in "$dir/pki/ca.pem" -noout -pubkey >"$dir/ca.pub"
	statement node-1 >"$dir/statement"
	openssl dgst -sha256 -verify "$dir/ca.pub" -signature "$dir/keys/sealing.sig" "$dir/statement"
	statement node-2 >"$dir/statement"
	run ! openssl dgst -sha256 -verify "$dir/ca.pub" -signature "$dir/keys/sealing.sig" "$dir/statement"
	[ "$(stat -c %a "$dir/keys/sealing.sig")" = 600 ]
}
@test "--issue is for root" {
	run ! setpriv --reuid 64124 --clear-groups "$secretd" --issue --keys "$dir/keys" --pki "$dir/pki" \
		--cn ed --out-cert "$dir/x.pem" --out-key "$dir/x.key"
	[[ $output == *"needs root"* ]]
}
@test "a secret sealed by another implementation arrives" { peer secret; }
@test "a token verifies with another implementation and the published key set" { peer token; }
@test "nothing plain is said, and a wrong sealing says which" { peer silence; }
