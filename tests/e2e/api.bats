#!/usr/bin/env bats
# bulkhead-api alone: the agent at its other end, and every client, share no code with it (Python,
# grpcio, openssl). peers/api_basic.py behaves well, peers/api_hostile.py does not.

setup_file() {
	export prepared
	prepared=$(mktemp -d /tmp/bulkhead-api-prepared.XXXXXX)
	/usr/bin/python3 "$BATS_TEST_DIRNAME/peers/api_basic.py" "$prepared" prepare
}
teardown_file() { rm -rf "$prepared"; }

basic() { timeout 60 /usr/bin/python3 "$BATS_TEST_DIRNAME/peers/api_basic.py" "$prepared" "$1"; }
hostile() { timeout 90 /usr/bin/python3 "$BATS_TEST_DIRNAME/peers/api_hostile.py" "$prepared" "$1"; }

@test "a unary call carries principal, method and message" { basic unary; }
@test "messages larger than a frame travel in a memfd" { basic large; }
@test "every error code of the agent has its gRPC status" { basic errors; }
@test "server streaming" { basic stream; }
@test "a cancelled call reaches the agent" { basic cancel; }
@test "a watcher that does not read is cut, not buffered for" { basic slow_watcher; }
@test "the agent's end ends the calls with UNAVAILABLE" { basic agent_gone; }
@test "an agent that breaks the protocol ends the process" { basic bad_agent; }
@test "logs: tail, since, follow, rotation" { basic logs; }
@test "exec over pipes" { basic exec_pipes; }
@test "exec: a slow client stops the process, not the node" { basic exec_slow; }
@test "exec with a terminal" { basic exec_tty; }
@test "image import" { basic import_image; }
@test "health and reflection" { basic health_reflection; }
@test "a new certificate is used without a restart, a bad one is not" { basic reload; }
@test "rights of the process" { basic facts; }
@test "a second instance on one port fails clearly" { basic second; }
@test "bad arguments are named" { basic usage; }

@test "hole 1: descriptors exhausted by a flood, the listener lives on" { hostile flood; }
@test "hole 2: a message of 300 MB is not buffered" { hostile huge_message; }
@test "hole 2: one byte past the message limit" { hostile over_limit; }
@test "hole 3: a gzip bomb is not inflated" { hostile gzip_bomb; }
@test "hole 4: 10,000 levels of nesting" { hostile recursion; }
@test "hole 4: a million empty map entries" { hostile many_entries; }
@test "text that is no UTF-8 or has NUL" { hostile bad_strings; }
@test "256 calls of one user, and one more" { hostile many_calls; }
@test "32 MiB wait for all slow clients together, no more" { hostile slow_crowd; }
@test "no, foreign, self-signed, server's and nameless certificates" { hostile strangers; }
@test "plain text gets nothing" { hostile plain_text; }
@test "TLS 1.3 only" { hostile old_tls; }
@test "no resumption without a certificate" { hostile resumption; }
@test "a silent connection is closed" { hostile slow_handshake; }
