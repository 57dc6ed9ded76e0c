"""Split and merge over the API."""

from __future__ import annotations

from tests.server.api.harness import Api, Manager


def test_a_copied_node_is_shown_with_its_machines_and_split_once(manager: Manager, admin: Api, viewer: Api) -> None:
    host = manager.host("copied-1")
    own, other = host.is_copied()
    path = f"/api/v1/nodes/{host.id}"
    assert viewer.data("GET", path)["state"] == "quarantined"
    assert admin.refusal("POST", "/api/v1/commands", json={"nodes": [host.id], "content": {"script": "true"}})[0] == 409
    found = viewer.data("GET", f"{path}/machines")
    assert (found["state"], found["total"]) == ("quarantined", 2)
    assert {(one["marks"], one["standing"], one["ip"]) for one in found["items"]} == {
        (own, "own", "10.0.0.1"),
        (other, "claims", "10.0.0.2"),
    }
    [newcomer] = [one for one in found["items"] if not one["own"]]
    assert (newcomer["same_installation"], newcomer["same_board"], newcomer["cards_in_common"]) == (True, False, 0)
    assert admin.refusal("POST", f"{path}/split", json={"keep": "m=00000009"})[:3] == (400, 1001, "keep")
    assert admin.refusal("POST", f"{path}/split", json={})[:3] == (400, 1001, "keep")
    assert admin.refusal("POST", f"{path}/merge", json={"machine": other, "since": found["since"] - 1})[0] == 409
    assert admin.data("POST", f"{path}/split", json={"keep": own, "since": found["since"]}) == {"state": "offline"}
    assert admin.refusal("POST", f"{path}/merge", json={"machine": other, "since": found["since"]})[0] == 409
    standings = {one["marks"]: one["standing"] for one in viewer.data("GET", f"{path}/machines")["items"]}
    assert standings == {own: "own", other: "split"}


def test_merge_goes_on_with_the_chosen_hardware(manager: Manager, admin: Api) -> None:
    host = manager.host("copied-2")
    _, other = host.is_copied()
    assert admin.data("POST", f"/api/v1/nodes/{host.id}/merge", json={"machine": other}) == {"state": "offline"}
    assert [one["marks"] for one in admin.data("GET", f"/api/v1/nodes/{host.id}/machines")["items"] if one["own"]] == [other]
    assert admin.refusal("GET", "/api/v1/nodes/NOPE/machines")[:2] == (404, 2001)
