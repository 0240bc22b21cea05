"""The DaemonSet's pod through containerd's CRI, as a kubelet starts it.

    cri.py SOCKET MANIFEST IMAGE FOLDER

The pod's sandbox, its container with the manifest's command, mounts and rights, its readiness probe,
and its end. The messages are Kubernetes' runtime.v1 (cri-api, api.proto); what is needed of them is
written out here by field numbers, so that no generated code is. The pod has the node's network: no
CNI plugin is configured.
"""

import os
import sys
import time

import grpc
import yaml


def varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes(out + bytes([n]))


def message(*fields):
    """A protobuf message of pairs: a number and a text, message, number, or list of these."""
    out = b""
    for number, value in fields:
        for it in value if isinstance(value, list) else [value]:
            if isinstance(it, (bool, int)):
                out += varint(number << 3) + varint(int(it))
            else:
                it = it.encode() if isinstance(it, str) else it
                out += varint(number << 3 | 2) + varint(len(it)) + it
    return out


def fields(data):
    """The fields of a message: the last value of each number."""
    found, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = number()
        value = number()
        if key & 7 == 2:
            value, at = data[at : at + value], at + value
        found[key >> 3] = value
    return found


socket, manifest, image, folder = sys.argv[1:]
channel = grpc.insecure_channel(f"unix://{socket}")


def call(method, *request):
    return fields(channel.unary_unary(f"/runtime.v1.RuntimeService/{method}")(message(*request), timeout=120))


daemon = yaml.safe_load(open(manifest))
pod = daemon["spec"]["template"]["spec"]
container = pod["containers"][0]
rights = container["securityContext"]
NODE, CONTAINER = 2, 1
UNCONFINED = message((1, 1))
namespaces = message((1, NODE), (2, CONTAINER), (3, 0))
sandbox_config = message(
    (1, message((1, "anyarch"), (2, "uid"), (3, daemon["metadata"]["namespace"]))),
    (3, folder),
    (8, message((2, message((1, namespaces))))),
)


def mount(it):
    volume = next(v for v in pod["volumes"] if v["name"] == it["name"])
    if "hostPath" in volume:
        source = volume["hostPath"]["path"]
        assert os.path.isdir(source), volume
    else:
        source = f"{folder}/{it['name']}"
        os.makedirs(source, exist_ok=True)
    propagation = ["None", "HostToContainer", "Bidirectional"].index(it.get("mountPropagation", "None"))
    return message((1, it["mountPath"]), (2, source), (5, propagation))


def profile(name):
    assert rights[name]["type"] == "Unconfined", rights
    return UNCONFINED


capabilities = rights["capabilities"]
security = message(
    (1, message((1, capabilities["add"]), (2, capabilities["drop"]))),
    (3, namespaces),
    (5, message((1, rights["runAsUser"]))),
    (7, rights["readOnlyRootFilesystem"]),
    (11, not rights["allowPrivilegeEscalation"]),
    (15, profile("seccompProfile")),
    (16, profile("appArmorProfile")),
)
config = message(
    (1, message((1, container["name"]))),
    (2, message((1, image))),
    (3, container["command"]),
    (4, container["args"]),
    (7, [mount(it) for it in container["volumeMounts"]]),
    (11, "container.log"),
    (15, message((2, security))),
)

sandbox = call("RunPodSandbox", (1, sandbox_config))[1]
made = call("CreateContainer", (1, sandbox), (2, config), (3, sandbox_config))[1]
call("StartContainer", (1, made))
end = time.monotonic() + 60
while True:
    probe = call("ExecSync", (1, made), (2, container["readinessProbe"]["exec"]["command"]), (3, 60))
    if probe.get(3, 0) == 0:
        break
    if time.monotonic() > end:
        print(open(f"{folder}/container.log").read())
        sys.exit(f"the pod is not ready: {probe}")
    time.sleep(0.5)
print("ready")
# What a drained node does: the entries stay.
call("StopPodSandbox", (1, sandbox))
call("RemovePodSandbox", (1, sandbox))
