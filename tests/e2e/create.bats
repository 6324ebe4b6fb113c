#!/usr/bin/env bats
# `create` of the CLI against bulkhead-api and an agent in Python, which opens what was sealed with an
# HPKE of its own (tests/interop/peers/envelope.py).

setup_file() {
	export prepared
	prepared=$(mktemp -d /tmp/bulkhead-create.XXXXXX)
	/usr/bin/python3 "$BATS_TEST_DIRNAME/peers/api_basic.py" "$prepared" prepare
}
teardown_file() { rm -rf "$prepared"; }

create() { timeout 60 /usr/bin/python3 "$BATS_TEST_DIRNAME/peers/create.py" "$prepared" "$1"; }

@test "create project" { create project; }
@test "create secret: literals and files arrive sealed, for this node, project and name alone" { create sealed; }
@test "create secret: nothing plain leaves the CLI, and argv is wiped" { create silence; }
@test "create secret: 1 MiB arrives, one byte more is refused before anything is sent" { create limits; }
@test "create secret: bad input is named, and nothing is sent" { create bad_input; }
@test "create secret: a key that the CA did not sign for this node is refused, and nothing is sent" { create forged; }
@test "create secret: no node, none that is asked, no key: each is said" { create nodes; }
