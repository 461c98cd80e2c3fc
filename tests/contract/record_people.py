"""Operations about people: accounts, sessions, roles, sharing, settings."""

USERS = "/keycloak/admin/users"
PASSWORD = "correct horse"


def record(record):
    accounts(record)
    sharing(record)
    places(record)
    sessions(record)


def accounts(record):
    ada = {
        "username": "ada", "password": PASSWORD, "firstName": "Ada", "lastName": "Example", "workspace_role": "editor",
        "email": "ada@example.com",
    }
    made = record("create_user", "POST", USERS, ada)["id"]
    record("list_users", "GET", f"{USERS}?search=ada")
    record("get_user", "GET", f"{USERS}/{made}")
    record("change_user", "PATCH", f"{USERS}/{made}", {"enabled": True})
    record("set_user_roles", "PUT", f"{USERS}/{made}/roles", {"roles": ["view-users"]})
    record("reset_user_password", "POST", f"{USERS}/{made}/reset-password", {"password": PASSWORD})
    record.server.call("POST", "/api/v1/auth", body={"username": "ada", "password": PASSWORD})
    record("list_user_sessions", "GET", f"{USERS}/{made}/sessions")
    record("log_user_out", "POST", f"{USERS}/{made}/logout")
    gone = {**ada, "username": "bob", "email": "bob@example.com"}
    status, _, answer = record.server.call("POST", "/api/v1" + USERS, record.server.owner, gone)
    assert status == 201, answer
    record("delete_user", "DELETE", f"{USERS}/{record.server.loads(answer)['id']}")
    record("list_members", "GET", "/workspace/members")
    record("set_member_role", "PUT", f"/workspace/members/{made}/role", {"role": "viewer"})


def sharing(record):
    dataset = record.server.dataset
    whom = {"grant_to_user_email": "ada@example.com"}
    record("invite_user", "PUT", f"/manage/{dataset}/invite", {**whom, "role": "viewer"})
    record("list_shares", "GET", f"/manage/{dataset}/share")
    record("withdraw_share", "DELETE", f"/manage/{dataset}/share", whom)
    record.form("share_dataset", f"/dataset/{dataset}/share", {"user_email": "ada@example.com"})
    record("set_dataset_public", "PUT", f"/manage/{dataset}/public", {"is_public": False})


def places(record):
    workspaces = record("list_workspaces", "GET", "/workspaces")["workspaces"]
    record("get_workspace", "GET", f"/workspaces/{workspaces[0]['id']}")
    record("get_workspace_access", "GET", "/workspace/settings/access")
    organizations = record("list_organizations", "GET", "/organizations")["organizations"]
    record("get_organization", "GET", f"/organizations/{organizations[0]['id']}")
    record("get_setting", "GET", "/admin/settings?key=DELETE_DATASET_ENABLED")
    record("change_setting", "POST", "/admin/settings", {"key": "DELETE_DATASET_ENABLED", "value": True})


def sessions(record):
    who = {"username": "ada", "password": PASSWORD}
    session = record("sign_in", "POST", "/auth", who)["access_token"]
    record("get_api_credentials", "GET", "/api_credentials", token=session)
    record("sign_out", "DELETE", "/auth", token=session)
    for name, member in [("sign_in", "access_token"), ("get_api_credentials", "api_key"), ("get_api_credentials", "api_secret")]:
        record.recorded[name]["answer"][member] = f"({member})"
