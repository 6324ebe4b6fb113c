"""What run.sh measures once its node stands: pod starts in turn with other runtimes, then memory."""
import glob
import json
import os
import re
import statistics
import subprocess
import sys

PART = 50  # pods whose start is told apart, at both ends of a crowd
NETNS = ["nsenter", "--target", os.environ["node_netns"], "--net", "--"]
BH = NETNS + [os.environ["bh"]]
NOW = os.path.join(os.environ["B"], "tests/bench/now")
BUNDLE = os.path.join(os.environ["node_dir"], "bundle")
POD = """apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: red}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: busybox:demo
    command: [/bin/sleep, "3600"]
    resources: {limits: {cpu: 500m, memory: 64Mi}}
    volumeMounts: [{name: db, mountPath: /etc/db, readOnly: true}]
  volumes: [{name: db, secret: {secretName: db}}]
"""


def bulkhead(*args, **kwargs):
    return subprocess.run([*BH, *args], check=True, capture_output=True, text=True, **kwargs).stdout


def start(name):
    bulkhead("apply", "-f", "-", input=POD % name)
    bulkhead("wait", "pod", name, "-n", "red", "--for=condition=Ready", "--timeout=60s")


def stages(name):
    """{stage: (start, duration)} in ms since the RPC was received."""
    text = bulkhead("describe", "pod", name, "-n", "red")
    rows = re.findall(r"^  (\S+) +([0-9.]+) ms +([0-9.]+) ms", text, re.M)
    return {stage: (float(at), float(took)) for stage, at, took in rows}


def oci(runtime, n):
    """From before the runtime is executed to the first instruction of the container, in ms."""
    hide = ["--v1"] if runtime == "crun" else []
    out = subprocess.run([NOW, *hide, "--", runtime, "run", "--bundle", BUNDLE,
                          "bench-%d-%d" % (os.getpid(), n)], capture_output=True, text=True)
    numbers = re.findall(r"^(\d+)$", out.stdout, re.M)
    if out.returncode != 0 or len(numbers) != 2:
        return None, (out.stderr.strip().splitlines() or ["no output"])[-1]
    return (int(numbers[1]) - int(numbers[0])) / 1000, None


def row(name, values, unit="ms"):
    v = sorted(values)
    print("  %-34s %8.2f %8.2f %8.2f  %s" % (name, v[0], statistics.median(v),
                                             v[int(len(v) * 0.9)], unit))


def measure_starts(runs):
    ours, costs, others, cannot = [], {}, {"runc": [], "crun": []}, {}
    for i in range(runs):
        name = "bench-%d" % i
        start(name)
        s = stages(name)
        ours.append(sum(s["exec"]))
        for stage, (_, took) in s.items():
            costs.setdefault(stage, []).append(took)
        bulkhead("delete", "pod", name, "-n", "red")
        for runtime in list(others):
            ms, why = oci(runtime, i)
            if why:
                cannot[runtime] = why
                del others[runtime]
            else:
                others[runtime].append(ms)
    print("Pod start, %d runs of each in turn              min   median      p90" % runs)
    row("bulkhead: RunPod received to execve", ours)
    for runtime, values in others.items():
        row("%s run: to execve, no network" % runtime, values)
    for runtime, why in cannot.items():
        print("  %s does not run here: %s" % (runtime, why))
    if others:
        fastest = min(statistics.median(v) for v in others.values())
        print("  ratio of medians to the faster: %.2f" % (statistics.median(ours) / fastest))
    print("\nWhat each stage costs (secrets and network run side by side)")
    for stage, values in costs.items():
        row(stage, values)


def rollup(pid):
    out = {"Rss": 0, "Pss": 0, "Private": 0}
    with open("/proc/%d/smaps_rollup" % pid) as f:
        for line in f:
            key, _, value = line.partition(":")
            if key in ("Rss", "Pss"):
                out[key] += int(value.split()[0])
            elif key.startswith("Private_") and "Hugetlb" not in key:
                out["Private"] += int(value.split()[0])
    return out


def processes():
    """{name: [pid]} of this node, by network namespace or by its folder in the arguments."""
    found = {}
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as f:
                words = f.read().split(b"\0")
            name = os.path.basename(os.readlink(os.path.dirname(path) + "/exe")).removesuffix(" (deleted)")
        except OSError:
            continue
        joined = b" ".join(words).decode(errors="replace")
        if os.environ["node_dir"] in joined and re.match(r"bulkhead-|ovs", name):
            found.setdefault(name, []).append(int(path.split("/")[2]))
    return found


def memory(title):
    print("\nMemory, %s                     n  RSS KiB  PSS KiB  private" % title)
    total = [0, 0]
    for name, pids in sorted(processes().items()):
        rows = [rollup(p) for p in pids]
        n = len(rows)
        print("  %-34s %4d %8d %8d %8d%s" % (
            name, n, sum(r["Rss"] for r in rows) // n, sum(r["Pss"] for r in rows) // n,
            sum(r["Private"] for r in rows) // n, "  each" if n > 1 else ""))
        if name.startswith("bulkhead-") and name != "bulkhead-shim":
            total[0] += sum(r["Rss"] for r in rows)
            total[1] += sum(r["Pss"] for r in rows)
    print("  %-34s %4s %8d %8d" % ("all daemons but OVS and shims", "", *total))


def crowd(pods):
    """Whether a pod starts as quickly beside a thousand others; by stage, for the first and the last."""
    parts = [range(min(PART, pods)), range(max(PART, pods - PART), pods)]
    found = [{}, {}]
    for i in range(pods):
        start("many-%d" % i)
        for part, into in zip(parts, found):
            if i in part:
                for stage, (at, took) in stages("many-%d" % i).items():
                    into.setdefault(stage, []).append(took)
                    if stage == "exec":
                        into.setdefault("RunPod received to execve", []).append(at + took)
    for part, into in zip(parts, found):
        print("\nStart of pods %d to %d, all before them alive       min   median      p90"
              % (part.start + 1, part.stop))
        for stage, values in into.items():
            row(stage, values)
    memory("with %d pods" % pods)
    bulkhead("delete", "pods", "--all", "-n", "red", "--wait=false")


def main():
    runs, pods = int(sys.argv[1]), int(sys.argv[2])
    measure_starts(runs)
    memory("idle")
    crowd(pods)


if __name__ == "__main__":
    main()
