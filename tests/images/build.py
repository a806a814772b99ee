"""Builds container images from Debian packages, reproducibly and without a registry or an engine.

Each folder next to this file that has an `image.toml` is a recipe. A separate apt configuration for Debian 12 only fetches
the packages. They are unpacked without documentation and written as layers of a `docker save` archive, which both of
Docker's image stores load. Images with `base = true` share their first layer.
"""

import gzip
import hashlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ARCHITECTURE = "amd64"
SUITES = ["bookworm", "bookworm-security"]
# Paths that no server needs. Recipes can add more.
DROPPED = [
    "./usr/share/doc*", "./usr/share/man*", "./usr/share/info*", "./usr/share/locale*", "./usr/share/lintian*",
    "./usr/share/bug*", "./usr/share/applications*", "./usr/share/pixmaps*", "./etc/init.d*", "./etc/default*",
    "./lib/systemd*", "./usr/lib/systemd*", "./etc/logrotate.d*", "./etc/systemd*", "./usr/share/gdb*",
    "./usr/share/bash-completion*", "./etc/cron*", "./usr/share/zsh*", "./usr/share/vim*", "./usr/lib/x86_64-linux-gnu/gconv*",
]
USRMERGE = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}


def say(text):
    print(f"images: {text}", file=sys.stderr)


def sources():
    """Returns a sources.list for Debian 12 only, with the mirror that this machine's apt uses."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"],
        check=True, capture_output=True, text=True).stdout
    mirrors = {suite: uri for uri, suite in (line.split() for line in listed.splitlines())}
    if SUITES[0] not in mirrors:
        sys.exit(f"images: apt has no mirror of {SUITES[0]} (Debian 12), which the images are built from: add one to /etc/apt")
    signed = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    return "".join(f"deb {signed} {mirrors[suite]} {suite} main\n" for suite in SUITES if suite in mirrors)


class Apt:
    """Package archives of Debian 12, kept in the cache."""

    def __init__(self, cache):
        self.folder = cache / "packages"
        self.listed = False

    def options(self):
        folder = self.folder
        for part in ("lists/partial", "cache/archives/partial", "empty"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / "sources.list").write_text(sources())
        (folder / "status").write_text("")
        pairs = {
            "Dir::Etc::sourcelist": folder / "sources.list", "Dir::Etc::sourceparts": folder / "empty",
            "Dir::Etc::preferencesparts": folder / "empty", "Dir::State::lists": folder / "lists",
            "Dir::State::status": folder / "status", "Dir::Cache": folder / "cache",
            "APT::Architecture": ARCHITECTURE, "APT::Sandbox::User": "root",
            # The mirror may be frozen: the signature matters here, not its age.
            "Acquire::Check-Valid-Until": "false",
        }
        return [word for key, value in pairs.items() for word in ("-o", f"{key}={value}")]

    def find(self, package):
        found = sorted(self.folder.glob(f"{package}_*.deb"))
        return found[-1] if found else None

    def fetch(self, packages):
        """Downloads the packages that are not in the cache yet."""
        missing = sorted(package for package in packages if not self.find(package))
        if not missing:
            return
        say(f"downloading {len(missing)} packages")
        if not self.listed:
            run(["apt-get", *self.options(), "update", "-qq"])
            self.listed = True
        run(["apt-get", *self.options(), "download", "-qq", *missing], cwd=self.folder)

    def unpack(self, packages, root, dropped):
        """Unpacks the files of the packages into a merged-/usr tree."""
        for link, target in USRMERGE.items():
            (root / target).mkdir(parents=True, exist_ok=True)
            if not (root / link).is_symlink():
                (root / link).symlink_to(target)
        excludes = [f"--exclude={pattern}" for pattern in [*DROPPED, *dropped]]
        for package in packages:
            archive = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", self.find(package)], stdout=subprocess.PIPE)
            run(["tar", "-x", "--keep-directory-symlink", "--wildcards", "-C", root, *excludes], stdin=archive.stdout)
            archive.stdout.close()
            if archive.wait() != 0:
                sys.exit(f"images: cannot read the package {package}")


def run(command, **more):
    done = subprocess.run([str(word) for word in command], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, **more)
    if done.returncode != 0:
        sys.exit(f"images: {command[0]} failed: {done.stderr.decode(errors='replace').strip()}")


class Layer:
    """One tar archive of a file tree and the recipe's own files. Equal input gives equal bytes."""

    def __init__(self):
        self.members = {}

    def tree(self, root, without=()):
        """Adds everything beneath `root`, except the paths that a lower layer has."""
        for folder, names, files in os.walk(root):
            for name in sorted(names + files):
                full = pathlib.Path(folder, name)
                path = str(full.relative_to(root))
                if path in without and not (full.is_dir() and not full.is_symlink()):
                    continue
                self.add_path(path, full)
        return self

    def add_path(self, path, full):
        info = tarfile.TarInfo(path)
        status = full.lstat()
        info.mode = status.st_mode & 0o777
        if full.is_symlink():
            info.type, info.linkname, info.mode = tarfile.SYMTYPE, os.readlink(full), 0o777
            self.members[path] = (info, None)
        elif full.is_dir():
            info.type = tarfile.DIRTYPE
            self.members[path] = (info, None)
        else:
            self.members[path] = (info, full.read_bytes())

    def file(self, path, contents, mode=0o644):
        info = tarfile.TarInfo(path)
        info.mode = mode
        self.parents(path)
        self.members[path] = (info, contents)

    def folder(self, path, mode=0o755, owner=0):
        info = tarfile.TarInfo(path)
        info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, mode, owner, owner
        self.parents(path)
        self.members[path] = (info, None)

    def link(self, path, target):
        info = tarfile.TarInfo(path)
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
        self.parents(path)
        self.members[path] = (info, None)

    def parents(self, path):
        parent = os.path.dirname(path)
        if parent and parent not in self.members:
            self.folder(parent)

    def bytes(self):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path in sorted(self.members):
                info, contents = self.members[path]
                if contents is not None:
                    info.size = len(contents)
                tar.addfile(info, io.BytesIO(contents) if contents is not None else None)
        return out.getvalue()


def own_files(layer, folder, recipe, tag):
    """Adds the recipe's scripts, folders and links to a layer."""
    for target, entry in recipe.get("files", {}).items():
        contents = (folder / entry["source"]).read_bytes().replace(b"@VERSION@", tag.encode())
        layer.file(target, contents, int(entry.get("mode", "644"), 8))
    for path, entry in recipe.get("folders", {}).items():
        layer.folder(path, int(entry.get("mode", "755"), 8), entry.get("owner", 0))
    for path, target in recipe.get("links", {}).items():
        layer.link(path, target)
    busybox = recipe.get("busybox")
    if busybox:
        listed = subprocess.run([busybox, "--list"], check=True, stdout=subprocess.PIPE).stdout.decode().split()
        taken = set(layer.members)
        layer.file("usr/bin/busybox", pathlib.Path(busybox).read_bytes(), 0o755)
        for applet in listed:
            if f"usr/bin/{applet}" not in taken and applet != "busybox":
                layer.link(f"usr/bin/{applet}", "busybox")


def read_recipe(name):
    return tomllib.loads((HERE / name / "image.toml").read_text())


class Builder:
    def __init__(self, cache):
        self.cache = cache
        self.apt = Apt(cache)
        self.base = None

    def key(self, name):
        """Returns a digest of everything that an archive is built from."""
        digest = hashlib.sha256(pathlib.Path(__file__).read_bytes())
        for folder in (HERE / "base", HERE / name):
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    digest.update(str(path.relative_to(HERE)).encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()

    def base_layer(self):
        if self.base is None:
            recipe = read_recipe("base")
            with tempfile.TemporaryDirectory(dir=self.cache) as scratch:
                root = pathlib.Path(scratch)
                root.chmod(0o755)
                self.with_busybox(recipe)
                self.apt.fetch(recipe["packages"])
                self.apt.unpack(recipe["packages"], root, recipe.get("drop", []))
                layer = Layer().tree(root)
                own_files(layer, HERE / "base", recipe, "")
            self.base = (layer.bytes(), set(layer.members))
        return self.base

    def with_busybox(self, recipe):
        """Takes the static busybox from its package instead of this machine."""
        if not recipe.get("busybox"):
            return
        self.apt.fetch(["busybox-static"])
        target = self.cache / "busybox"
        with tempfile.TemporaryDirectory(dir=self.cache) as scratch:
            run(["dpkg-deb", "-x", self.apt.find("busybox-static"), scratch])
            for path in ("bin/busybox", "usr/bin/busybox"):
                if pathlib.Path(scratch, path).is_file():
                    shutil.copy2(pathlib.Path(scratch, path), target)
        recipe["busybox"] = str(target)

    def layers(self, name, recipe, tag):
        layers = []
        packages = recipe.get("packages", [])
        self.apt.fetch(packages)
        below = set()
        if recipe.get("base"):
            contents, below = self.base_layer()
            layers.append(contents)
        self.with_busybox(recipe)
        if packages:
            with tempfile.TemporaryDirectory(dir=self.cache) as scratch:
                root = pathlib.Path(scratch)
                root.chmod(0o755)
                self.apt.unpack(packages, root, recipe.get("drop", []))
                layers.append(Layer().tree(root, below).bytes())
        own = Layer()
        own_files(own, HERE / name, recipe, tag)
        if own.members:
            layers.append(own.bytes())
        return layers

    def build(self, name, tag):
        target = self.cache / f"{name}-{tag}.tar"
        stamp = self.cache / f"{name}-{tag}.key"
        key = self.key(name)
        if target.exists() and stamp.exists() and stamp.read_text() == key:
            return
        say(f"building landfast/{name}:{tag}")
        recipe = read_recipe(name)
        archive = pack(f"landfast/{name}:{tag}", config_of(recipe, tag), self.layers(name, recipe, tag))
        partial = target.with_suffix(".new")
        partial.write_bytes(archive)
        partial.replace(target)
        stamp.write_text(key)


def config_of(recipe, tag):
    """Returns the image's run configuration in the engine's format."""
    env = recipe.get("env", [])
    if not any(pair.startswith("PATH=") for pair in env):
        env = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", *env]
    run_as = {"Env": env}
    words = {"entrypoint": "Entrypoint", "cmd": "Cmd", "user": "User", "workdir": "WorkingDir", "stop_signal": "StopSignal"}
    for key, word in words.items():
        if key in recipe:
            run_as[word] = recipe[key]
    if "expose" in recipe:
        run_as["ExposedPorts"] = {port: {} for port in recipe["expose"]}
    if "healthcheck" in recipe:
        check = recipe["healthcheck"]
        run_as["Healthcheck"] = {
            "Test": check["test"], "Interval": int(check["interval"] * 1e9), "Timeout": int(check["timeout"] * 1e9),
            "StartPeriod": int(check.get("start_period", 0) * 1e9), "Retries": check.get("retries", 3),
        }
    run_as["Labels"] = {"org.opencontainers.image.version": tag, "org.opencontainers.image.title": "landfast lab"}
    return run_as


def pack(reference, run_as, layers):
    """Returns a `docker save` archive that is also an OCI layout: the older store reads manifest.json, the newer index.json."""
    blobs = {}

    def blob(contents):
        digest = hashlib.sha256(contents).hexdigest()
        blobs[digest] = contents
        return {"digest": f"sha256:{digest}", "size": len(contents)}

    layer_blobs = [blob(layer) for layer in layers]
    config = blob(encode({
        "architecture": ARCHITECTURE, "os": "linux", "created": "2026-01-01T00:00:00Z", "config": run_as,
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layer_blobs]},
        "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "tests/images/build.py"} for _ in layer_blobs],
    }))
    manifest = blob(encode({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **layer} for layer in layer_blobs],
    }))
    index = encode({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json", **manifest,
            "platform": {"architecture": ARCHITECTURE, "os": "linux"},
            "annotations": {
                "io.containerd.image.name": f"docker.io/{reference}",
                "org.opencontainers.image.ref.name": reference.rsplit(":", 1)[1],
            },
        }],
    })

    def place(entry):
        return "blobs/sha256/" + entry["digest"].removeprefix("sha256:")

    top = Layer()
    for digest, contents in blobs.items():
        top.file(f"blobs/sha256/{digest}", contents)
    top.file("oci-layout", encode({"imageLayoutVersion": "1.0.0"}))
    top.file("index.json", index)
    top.file("manifest.json", encode([
        {"Config": place(config), "RepoTags": [reference], "Layers": [place(layer) for layer in layer_blobs]},
    ]))
    return top.bytes()


def encode(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def main():
    cache = pathlib.Path(sys.argv[1]).resolve()
    wanted = sys.argv[2:]
    cache.mkdir(parents=True, exist_ok=True)
    builder = Builder(cache)
    for recipe in sorted(HERE.glob("*/image.toml")):
        name = recipe.parent.name
        if name == "base" or (wanted and name not in wanted):
            continue
        for tag in read_recipe(name)["tags"]:
            builder.build(name, tag)


main()
