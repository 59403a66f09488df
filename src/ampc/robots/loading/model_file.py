"""Reading MJCF and URDF files into an editable MuJoCo specification."""

import difflib
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import mujoco

from ampc.errors import RobotError
from ampc.robots.finding import Finding
from ampc.robots.flexible_arm.model import flexible_arm_spec
from ampc.robots.flexible_arm.settings import FLEXIBLE_ARM, settings_of_source

BUILT_IN = {"rigid-arm": "rigid_arm.xml"}
"""Arms that come with the package, by name."""


@dataclass
class ModelFile:
    """A model file as MuJoCo has read it, and what was learnt on the way."""

    spec: mujoco.MjSpec
    """Editable specification."""
    source: str
    """Name of a built-in arm, or absolute path."""
    velocity_limits: dict[str, float] = field(default_factory=dict)
    """Speed limits that a URDF states, by joint [rad/s]."""
    findings: list[Finding] = field(default_factory=list)
    """What the user should know about the reading."""
    may_wind_up: bool = False
    """Whether joints without position limits are meant, and no remark is due."""

    @property
    def name(self) -> str:
        """Name of the model; of the file, where the model has none of its own."""
        unnamed = self.spec.modelname in ("", "MuJoCo Model")
        return Path(self.source).stem if unnamed else str(self.spec.modelname)

    def compile(self) -> mujoco.MjModel:
        """Compile the specification, without meshes if their files are missing.

        Raises:
            RobotError: If MuJoCo refuses the model; the message names the file and quotes MuJoCo.
        """
        try:
            return self.spec.compile()
        except ValueError as error:
            if "opening file" not in str(error) or not self._drop_meshes(str(error)):
                raise RobotError(
                    f"{self.source}: MuJoCo cannot build the model: {_one_line(error)}"
                ) from error
        try:
            return self.spec.compile()
        except ValueError as error:
            raise RobotError(
                f"{self.source}: MuJoCo cannot build the model, even without its meshes: {_one_line(error)}"
            ) from error

    def _drop_meshes(self, reason: str) -> bool:
        """Remove mesh geometry if no inertia depends on it; whether that was so."""
        shapes = [geom for geom in self.spec.geoms if int(geom.type) == int(mujoco.mjtGeom.mjGEOM_MESH)]
        if not shapes or not all(
            geom.parent.explicitinertial or geom.parent.name == "world" for geom in shapes
        ):
            return False
        for geom in shapes:
            self.spec.delete(geom)
        for mesh in list(self.spec.meshes):
            self.spec.delete(mesh)
        self.findings.append(
            Finding(
                "warning",
                "meshes",
                f"{_one_line(reason)}. The arm is used without its meshes, so pictures of it are bare; its "
                "dynamics are not affected",
            )
        )
        return True


def read_model_file(source: str | Path) -> ModelFile:
    """Read a built-in arm or a model file.

    Args:
        source: Name of a built-in arm, or path of an MJCF (``.xml``, ``.mjcf``) or URDF (``.urdf``) file, or
            of the settings of a flexible arm (``.toml``, ``.json``).

    Raises:
        RobotError: If there is no such file, or it is not a model that MuJoCo can read.
        SettingsError: If the settings of a flexible arm are wrong.
    """
    flexible = settings_of_source(source)
    if flexible is not None:
        where = (
            str(source) if str(source).startswith(FLEXIBLE_ARM) else str(Path(source).expanduser().resolve())
        )
        return ModelFile(flexible_arm_spec(flexible), where, may_wind_up=True)
    if str(source) in BUILT_IN:
        path = Path(str(resources.files("ampc.robots") / "assets" / BUILT_IN[str(source)]))
        return ModelFile(_parse(path), str(source))

    path = Path(source).expanduser().resolve()
    if not path.exists():
        raise RobotError(_no_such_file(source, path))
    if path.is_dir():
        raise RobotError(f"{path} is a folder; name the .xml or .urdf file of the arm in it")
    if path.suffix == ".xacro":
        raise RobotError(f"{path}: expand it to URDF first, with `xacro {path.name} > {path.stem}`")
    if path.suffix not in (".xml", ".mjcf", ".urdf"):
        raise RobotError(
            f"{path}: expected an MJCF file (.xml, .mjcf), a URDF file (.urdf) or the "
            "settings of a flexible arm (.toml)"
        )

    try:
        root = ET.fromstring(path.read_bytes())
    except ET.ParseError as error:
        raise RobotError(f"{path}: not well-formed XML: {error}") from error
    _refuse_not_a_number(root, path)
    if root.tag == "mujoco":
        return ModelFile(_parse(path), str(path))
    if root.tag == "robot":
        return _parse_urdf(root, path)
    raise RobotError(
        f"{path}: its outermost element is <{root.tag}>; expected <mujoco> (MJCF) or <robot> (URDF)"
    )


def _parse(path: Path) -> mujoco.MjSpec:
    try:
        return mujoco.MjSpec.from_file(str(path))
    except ValueError as error:
        raise RobotError(f"{path}: MuJoCo cannot read it: {_one_line(error)}") from error


def _parse_urdf(root: ET.Element, path: Path) -> ModelFile:
    """Read a URDF, adding a motor to each joint from its effort limit.

    MuJoCo's defaults for URDF drop visual geometry and merge links that are fixed to each other; both are
    kept, since tools are such links. Inertia comes from ``<inertial>`` alone, as the format specifies.
    """
    extension = root.find("mujoco")
    if extension is None:
        extension = ET.SubElement(root, "mujoco")
    compiler = extension.find("compiler")
    if compiler is None:
        compiler = ET.SubElement(extension, "compiler")
    for option, value in (("discardvisual", "false"), ("fusestatic", "false"), ("inertiafromgeom", "false")):
        compiler.set(option, value)
    _parse(path)  # Complains with the line numbers of the file, which the extended text would not have.
    spec = mujoco.MjSpec.from_string(ET.tostring(root, encoding="unicode"))
    spec.modelfiledir = str(path.parent)

    file = ModelFile(spec, str(path))
    limits = {joint.get("name"): joint.find("limit") for joint in root.iter("joint")}
    for joint in spec.joints:
        if int(joint.type) != int(mujoco.mjtJoint.mjJNT_HINGE):
            continue
        limit = limits.get(joint.name)
        effort = 0.0 if limit is None else float(limit.get("effort", "0"))
        if not effort > 0.0:
            raise RobotError(
                f"{path}: joint '{joint.name}' has no torque limit; write its motor's largest torque in "
                "N m as "
                '<limit effort="..."/>'
            )
        motor = spec.add_actuator(name=joint.name, target=joint.name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        motor.set_to_motor()
        motor.ctrllimited = mujoco.mjtLimited.mjLIMITED_TRUE
        motor.ctrlrange = [-effort, effort]
        velocity = 0.0 if limit is None else float(limit.get("velocity", "0"))
        if velocity > 0.0:
            file.velocity_limits[joint.name] = velocity
    return file


def _refuse_not_a_number(root: ET.Element, path: Path) -> None:
    """MuJoCo reads ``nan`` as an attribute that is not given, with no more than a line in a log file."""
    for element in root.iter():
        for attribute, value in element.attrib.items():
            if any(token.lower().lstrip("+-") == "nan" for token in value.split()):
                where = f"<{element.tag}> '{element.get('name', '')}'"
                raise RobotError(f'{path}: {where}: {attribute}="{value}" is not a number')


def _no_such_file(source: str | Path, path: Path) -> str:
    suffixes = (".xml", ".urdf", ".toml")
    built_in = (*BUILT_IN, FLEXIBLE_ARM)
    if path.name.startswith(f"{FLEXIBLE_ARM}-"):
        return (
            f"there is no robot '{source}': what follows '{FLEXIBLE_ARM}-' is the number of passive"
            f" joints per link, a whole number from 0, as in {FLEXIBLE_ARM}-10"
        )
    names = [*built_in, *(file.name for file in path.parent.glob("*") if file.suffix in suffixes)]
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"built in are: {', '.join(built_in)}"
    return f"there is no robot '{source}': no built-in arm has that name and no file lies at {path}; {hint}"


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
