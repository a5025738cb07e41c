"""Checks of scripts/manifests: the rendered manifests, and the real server with their settings.

check SAEM YAML…   checks the time budget, and that the server starts with these settings or names the wrong ones
unit SAEM UNIT     the same for saem.service
hang SAEM YAML     makes the server hang and acts as the kubelet with its liveness probe
steps DIR YAML…    writes each command of the workflows into a file in DIR, for shellcheck
"""

import base64
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import yaml

# SHUTDOWN_TIMEOUT_S in src/http/listen.rs; http.drain_ms; actors.stuck_after_ms and one more check.
SHUTDOWN_TIMEOUT_S, DRAIN_S, STUCK_S = 15, 0.5, 9
OPERATOR = "an-operator-of-this-one-run-and-no-other"


class Rendered:
    """The objects of one rendering."""

    def __init__(self, path):
        self.name = pathlib.Path(path).stem
        with open(path, encoding="utf-8") as file:
            self.objects = [thing for thing in yaml.safe_load_all(file) if thing]
        self.set = self.one("StatefulSet")["spec"]
        self.pod = self.set["template"]["spec"]
        (self.container,) = self.pod["containers"]

    def all(self, kind):
        return [thing for thing in self.objects if thing["kind"] == kind]

    def one(self, kind, name=None):
        found = [thing for thing in self.all(kind) if name in (None, thing["metadata"]["name"])]
        assert len(found) == 1, f"{self.name}: {len(found)} of {kind} {name or ''}"
        return found[0]

    def environment(self, volumes):
        """The environment that the kubelet would set, with volumes mounted below `volumes`."""
        values = {}
        if self.pod.get("enableServiceLinks", True):
            for service in self.all("Service"):
                name = service["metadata"]["name"].upper().replace("-", "_")
                values |= {f"{name}_SERVICE_HOST": "10.96.0.7", f"{name}_PORT": "tcp://10.96.0.7:80"}
        for source in self.container.get("envFrom", []):
            values |= self.one("ConfigMap", source["configMapRef"]["name"])["data"]
        values |= {entry["name"]: entry["value"] for entry in self.container.get("env", [])}
        for mount in self.container["volumeMounts"]:
            path = mount["mountPath"]
            inside = volumes / mount["name"]
            values = {
                name: str(inside) + value[len(path):] if (value + "/").startswith(path + "/") else value
                for name, value in values.items()
            }
        return values

    def mount(self, volumes):
        """Creates the pod's volumes: its keys, and an empty ext4 disk with lost+found."""
        for volume in self.pod["volumes"]:
            folder = volumes / volume["name"]
            folder.mkdir()
            for name, data in self.one("Secret", volume["secret"]["secretName"])["data"].items():
                (folder / name).write_bytes(base64.b64decode(data))
        for claim in self.set["volumeClaimTemplates"]:
            (volumes / claim["metadata"]["name"] / "lost+found").mkdir(parents=True)


class Server:
    """The real server with these settings only."""

    def __init__(self, saem, settings):
        plain = {name: value for name, value in os.environ.items() if not name.startswith("SAEM_")}
        # Any free port of the loopback interface. The rest is as rendered.
        settings = settings | {"SAEM_HTTP__LISTEN": "127.0.0.1:0", "SAEM_LOG": "error"}
        self.apart = "SAEM_HTTP__OPERATIONS_LISTEN" in settings
        if self.apart:
            settings["SAEM_HTTP__OPERATIONS_LISTEN"] = "127.0.0.1:0"
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([saem, "serve"], env=plain | settings, **pipes)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def starts(self):
        """Waits until the server prints its address."""
        said = self.process.stdout.readline()
        assert " listens on " in said, f"it does not start: {self.process.communicate()[1]}"
        self.url = self.operations = said.split(" listens on ")[1].strip()
        if self.apart:
            self.operations = self.process.stdout.readline().split("operations")[1].strip()
        return self

    def refuses(self, *words):
        """Expects exit code 1 and one error line for each of the words."""
        output = self.process.communicate(timeout=30)[1]
        assert self.process.returncode == 1, f"exit code {self.process.returncode}: {output}"
        assert len(output.splitlines()) == len(words), f"not {len(words)} lines: {output}"
        missing = [word for word in words if word not in output]
        assert not missing, f"{missing} is not named: {output}"
        return output.strip()

    def ask(self, path, key=None, body=None, seconds=10):
        """The status of an answer."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        data = None if body is None else json.dumps(body).encode()
        url = self.operations if path.startswith("/v1/operations/") else self.url
        request = urllib.request.Request(url + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None


def numbers(rendered):
    """Checks the time budget in the comment of statefulset.yaml."""
    pod, container = rendered.pod, rendered.container
    assert rendered.set["replicas"] == 1, "sled allows one process"
    sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    stopping = sleep + DRAIN_S + SHUTDOWN_TIMEOUT_S
    assert pod["terminationGracePeriodSeconds"] > stopping, f"stopping takes up to {stopping} s"
    liveness = container["livenessProbe"]
    looks = liveness["periodSeconds"] * liveness["failureThreshold"]
    hanging = STUCK_S + looks + liveness["terminationGracePeriodSeconds"]
    silent = looks + liveness["timeoutSeconds"] + liveness["terminationGracePeriodSeconds"]
    assert max(hanging, silent) <= 20, f"a hanging process lives for {max(hanging, silent)} s"
    # The kubelet gives at least two seconds after the hook.
    assert liveness["terminationGracePeriodSeconds"] >= sleep + 2
    assert liveness["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    print(f"manifests: {rendered.name}: stops within {stopping} s; a hanging process is ended within {hanging} s")


def confined(rendered):
    """Checks the Pod Security Standard `restricted`, a read-only root and the selectors."""
    pod, container = rendered.pod["securityContext"], rendered.container["securityContext"]
    assert pod["runAsNonRoot"] and pod["seccompProfile"]["type"] == "RuntimeDefault"
    assert container["readOnlyRootFilesystem"] and container["allowPrivilegeEscalation"] is False
    assert container["capabilities"] == {"drop": ["ALL"]}
    assert rendered.pod["automountServiceAccountToken"] is False
    labels = rendered.set["template"]["metadata"]["labels"].items()
    selectors = [thing["spec"]["selector"] for thing in rendered.all("Service")]
    selectors += [rendered.set["selector"]["matchLabels"]]
    selectors += [thing["spec"]["selector"]["matchLabels"] for thing in rendered.all("PodDisruptionBudget")]
    selectors += [thing["spec"]["podSelector"]["matchLabels"] for thing in rendered.all("NetworkPolicy")]
    assert all(selector and selector.items() <= labels for selector in selectors), "a selector finds no pod"


def starting(saem, rendered):
    """Checks that the server starts with the address of the payment gateway, and not without it."""
    with tempfile.TemporaryDirectory() as folder:
        volumes = pathlib.Path(folder)
        rendered.mount(volumes)
        settings = rendered.environment(volumes)
        if settings["SAEM_PAYMENT__URL"] == "":
            # The unchanged base: none of its placeholders is accepted.
            with Server(saem, settings) as server:
                server.refuses("operator.key", "payment.key_file", "payment.url")
            (volumes / "keys/operator.key").write_text(OPERATOR)
            (volumes / "keys/payment.key").write_text("a-key-of-the-gateway")
        without = {name: value for name, value in settings.items() if name != "SAEM_PAYMENT__URL"}
        for case in (without, without | {"SAEM_PAYMENT__URL": ""}):
            with Server(saem, case) as server:
                output = server.refuses("payment.url")
        print(f"manifests: {rendered.name}: without SAEM_PAYMENT__URL: {output}")
        settings["SAEM_PAYMENT__URL"] = settings["SAEM_PAYMENT__URL"] or "https://payments.example"
        with Server(saem, settings) as server:
            server.starts()
            assert server.ask("/readyz") == server.ask("/healthz") == 200
            key = (volumes / "keys/operator.key").read_text().strip()
            assert server.ask("/v1/operations/actors", key) == 200, "the mounted key is not the operator's"
            assert server.ask("/metrics") == 404, "metrics are public"
            server.process.send_signal(signal.SIGTERM)
            output = server.process.communicate(timeout=30)[1]
            assert (server.process.returncode, output) == (0, ""), f"{server.process.returncode}: {output}"
        assert (volumes / "data/FORMAT").exists(), "the data is not on the volume"
        print(f"manifests: {rendered.name}: with it: ready, and 0 after SIGTERM")


def unit(saem, path):
    """Checks the time budget of saem.service, and that the server starts with its settings."""
    values, settings = {}, {}
    for line in pathlib.Path(path).read_text().splitlines():
        key, _, value = line.partition("=")
        if key == "Environment":
            name, _, value = value.partition("=")
            settings[name] = value
        values[key] = value
    hanging = STUCK_S + int(values["WatchdogSec"]) + int(values["RestartSec"])
    assert hanging <= 20, f"a hanging process lives for {hanging} s"
    assert int(values["TimeoutStopSec"]) > DRAIN_S + SHUTDOWN_TIMEOUT_S
    with tempfile.TemporaryDirectory() as folder:
        state, credentials = pathlib.Path(folder, "state"), pathlib.Path(folder, "credentials")
        credentials.mkdir()
        (state / values["StateDirectory"]).mkdir(parents=True)
        for name, value in settings.items():
            settings[name] = value.replace("%S", str(state)).replace("%d", str(credentials))
        with Server(saem, settings) as server:
            server.refuses("operator.key_file")
        (credentials / values["LoadCredential"].split(":")[0]).write_text(OPERATOR)
        with Server(saem, settings) as server:
            assert server.starts().ask("/v1/operations/actors", OPERATOR) == 200
        assert (state / values["StateDirectory"] / "FORMAT").exists(), "the data is elsewhere"
    print(f"manifests: saem.service: starts with its settings; a hanging process is replaced within {hanging} s")


def hang(saem, rendered):
    """Acts as the kubelet for one process: probes, hook, signals, restart."""
    liveness = rendered.container["livenessProbe"]
    sleep = rendered.container["lifecycle"]["preStop"]["sleep"]["seconds"]
    with tempfile.TemporaryDirectory() as folder:
        volumes = pathlib.Path(folder)
        rendered.mount(volumes)
        (volumes / "keys/operator.key").write_text(OPERATOR)
        (volumes / "keys/payment.key").write_text("a-key-of-the-gateway")
        settings = rendered.environment(volumes) | {"SAEM_PAYMENT__URL": "https://payments.example"}
        with Server(saem, settings | {"SAEM_FAULTS__ENABLED": "true"}) as server:
            server.starts()
            fault = {"target": {"kind": "store-writer", "id": "store-writer"}, "mode": "HANG"}
            assert server.ask("/v1/operations/faults", OPERATOR, fault) in (200, 202, 204)
            began = time.monotonic()
            failed = 0
            while failed < liveness["failureThreshold"]:
                time.sleep(liveness["periodSeconds"])
                alive = server.ask(liveness["httpGet"]["path"], seconds=liveness["timeoutSeconds"])
                failed = 0 if alive == 200 else failed + 1
            noticed = time.monotonic() - began
            time.sleep(sleep)
            server.process.send_signal(signal.SIGTERM)
            try:
                server.process.wait(liveness["terminationGracePeriodSeconds"] - sleep)
            except subprocess.TimeoutExpired:
                server.process.kill()
                server.process.wait()
            ended = time.monotonic() - began
        with Server(saem, settings) as server:
            server.starts()
            while server.ask("/readyz") != 200:
                time.sleep(0.05)
            ready = time.monotonic() - began
    print(f"manifests: the store's writer hangs; probe failed after {noticed:.1f} s, process gone after "
          f"{ended:.1f} s, the next one ready after {ready:.1f} s")


def steps(into, paths):
    """Writes the commands of GitHub workflows and CodeBuild phases into files for shellcheck."""
    into.mkdir()
    for path in paths:
        with open(path, encoding="utf-8") as file:
            tree = yaml.safe_load(file)
        # CodeBuild runs all phases in one shell.
        phases = [line for phase in tree.get("phases", {}).values() for line in phase["commands"]]
        commands = ["\n".join(phases)] if phases else []
        for job in tree.get("jobs", {}).values():
            # GitHub substitutes ${{ … }} before the shell runs; quoting makes it one word for shellcheck.
            runs = [step["run"] for step in job.get("steps", []) if "run" in step]
            commands += [run.replace("${{", "'{").replace("}}", "}'") for run in runs]
        assert commands, f"{path} runs nothing"
        for number, command in enumerate(commands):
            (into / f"{pathlib.Path(path).stem}-{number}").write_text(f"#!/usr/bin/env bash\n{command}\n")


def main():
    what, first, *paths = sys.argv[1:]
    if what == "steps":
        steps(pathlib.Path(first), paths)
        return
    for path in paths:
        if what == "unit":
            unit(first, path)
            continue
        rendered = Rendered(path)
        if what == "hang":
            hang(first, rendered)
        else:
            numbers(rendered)
            confined(rendered)
            starting(first, rendered)


main()
