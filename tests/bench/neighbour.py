"""What a pod that takes all it can costs a pod of another project: round trips between two pods of
blue, with and without one attacker in red, taken in turn in one run. A bare round trip shows what the
kernel's scheduler does with two threads that wake each other; one with some work behind it, what a
request costs."""
import os
import statistics
import subprocess
import sys

BH = ["nsenter", "--target", os.environ["node_netns"], "--net", "--", os.environ["bh"]]
PROGRAM = os.path.join(os.environ["B"], "tests/bench/neighbour")
KINDS = [("bare", ["2000"]), ("worked", ["500", "w"])]
POD = """apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: %s}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: busybox:demo
    command: [/bin/sh, -c, "until [ -e /tmp/go ]; do sleep 0.1; done; exec /tmp/neighbour %s"]
    resources: {requests: {cpu: 500m}, limits: {cpu: 500m, memory: 64Mi, ephemeral-storage: 64Mi}}
    volumeMounts: [{name: tmp, mountPath: /tmp}]
  volumes: [{name: tmp, emptyDir: {}}]
"""
ATTACKS = ["cpu", "memory", "fork", "log", "files", "inotify", "disk"]


def bulkhead(*args, **kwargs):
    return subprocess.run([*BH, *args], check=True, capture_output=True, **kwargs).stdout


def pod(name, project, words):
    bulkhead("apply", "-f", "-", input=(POD % (name, project, words)).encode())
    bulkhead("wait", "pod", name, "-n", project, "--for=condition=Ready", "--timeout=30s")
    with open(PROGRAM, "rb") as f:
        bulkhead("exec", "-i", "-n", project, name, "--", "/bin/sh", "-c",
                 "cat >/tmp/new && chmod 755 /tmp/new && mv /tmp/new /tmp/neighbour", input=f.read())


def go(name, project):
    bulkhead("exec", "-n", project, name, "--", "/bin/touch", "/tmp/go")


def ask(address):
    """For each of KINDS: (p50, p99)."""
    return [[int(n) for n in bulkhead("exec", "-n", "blue", "ask", "--", "/tmp/neighbour", "ask", address,
                                      "7000", *words).split()] for _, words in KINDS]


def main():
    rounds = int(sys.argv[1])
    bulkhead("create", "project", "blue")
    pod("serve", "blue", "serve 7000")
    go("serve", "blue")
    pod("ask", "blue", "serve 7001")
    address = bulkhead("get", "pod", "serve", "-n", "blue", "-o", "wide", "--no-headers").decode().split()[5]
    print("\nA round trip in one project while a pod of another takes all it can: us, medians of %d" % rounds)
    print("  %-10s %-8s %10s %10s %8s %12s %12s %8s" % (
        "attack", "request", "quiet p50", "p50", "ratio", "quiet p99", "p99", "ratio"))
    for attack in ATTACKS:
        quiet, loud = [], []
        for i in range(rounds):
            name = "%s-%d" % (attack, i)
            pod(name, "red", attack)
            quiet.append(ask(address))
            go(name, "red")
            loud.append(ask(address))
            bulkhead("delete", "pod", name, "-n", "red", "--force")
        for k, (kind, _) in enumerate(KINDS):
            q50, q99, l50, l99 = (statistics.median(row[k][i] for row in rows)
                                  for rows in (quiet, loud) for i in (0, 1))
            print("  %-10s %-8s %10d %10d %8.2f %12d %12d %8.2f" % (
                attack, kind, q50, l50, l50 / q50, q99, l99, l99 / q99))


if __name__ == "__main__":
    main()
