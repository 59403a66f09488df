"""Which point of the model is the end effector."""

from ampc.errors import RobotError
from ampc.robots.finding import Finding
from ampc.robots.loading.model_file import ModelFile

USUAL_NAMES = (
    "end_effector", "ee", "eef", "ee_link", "ee_site", "tcp", "tool", "tool0", "tool_frame", "tool_link",
    "attachment_site", "gripper_site", "grasp_site", "pinch", "pinch_site", "end_effector_link",
)  # fmt: skip
"""Names under which a site or body is taken for the end effector, most telling first."""


def choose_end_effector(file: ModelFile, wanted: str | None) -> str:
    """Name of the site that is the end effector; one is added to the model where only a body has the name.

    In order: the argument; the text ``ampc_end_effector`` of the model; a site, else a body, with a usual
    name; the only site of the last body; the origin of the last body.

    Raises:
        RobotError: If a name is asked for that no site and no body has, or there are no bodies.
    """
    spec = file.spec
    named = next((text.data for text in spec.texts if text.name == "ampc_end_effector"), None)
    chosen = wanted or named
    if chosen is not None:
        site = _site_called(file, chosen)
        if site is None:
            names = [item.name for item in (*spec.sites, *spec.bodies) if item.name not in ("", "world")]
            raise RobotError(
                f"{file.source}: no site and no body is called '{chosen}', to be the end effector; "
                "there are: "
                f"{', '.join(names)}"
            )
        return site
    for name in USUAL_NAMES:
        site = _site_called(file, name)
        if site is not None:
            return site

    last = spec.bodies[-1]
    if last.name == "world":
        raise RobotError(
            f"{file.source}: the model has no bodies; an arm is a line of them, with hinge joints"
        )
    last.name = last.name or "last_body"
    if len(last.sites) == 1:
        last.sites[0].name = last.sites[0].name or "end_effector"
        return str(last.sites[0].name)
    file.findings.append(
        Finding(
            "warning",
            "end effector",
            f"the model does not say which point it is; the origin of the last body, '{last.name}', is "
            "taken. Add "
            '<site name="end_effector" pos="..."/> to that body, or name a site or body',
        )
    )
    return str(_site_called(file, last.name))


def _site_called(file: ModelFile, name: str) -> str | None:
    """The site of that name, or a new one at the origin of the body of that name."""
    if any(site.name == name for site in file.spec.sites):
        return name
    body = file.spec.body(name)
    if body is None:
        return None
    body.add_site(name=name, size=[0.01, 0.01, 0.01])
    return name
