"""The table of TarsWeb's 327 recorded exchanges: how each is replayed, or why it is not.

Each recording is in exactly one of `CASES`, `TASKS` (a call and how its task ends), `LIVE`
(on a platform that runs, in this order), `LOGS`, `MONITORING`, `DIFFERENT` and
`NOT_EMULATED`; docs/tars.md tells the last two.
"""

from __future__ import annotations

from tests.tars_master.replay import Call, Case

SERVER_11 = {"server": 10, "adapter": 12}
DEPLOYED = ("deploy_server",)
#: An application's and a server's file, on one node.
CONFIGS = ("deploy_server", "add_config_file_app", "add_config_file_server")
#: They, the server's with the application's in it, and changed twice.
HISTORY = (
    *CONFIGS,
    "add_config_ref",
    {"config_history": 4},
    "update_config_file",
    "update_config_file_again",
)
TEMPLATE = ("add_profile_template",)
TEMPLATES_21 = {"template": 20}
ADAPTER_25 = ("deploy_server", {"adapter": 24}, "add_adapter_conf")
APPLICATIONS = (
    {"application": 3},
    Call("POST", "add_application", {"f_name": "tars"}),
    "add_application",
)
OTHERS = ({"application": 6}, "add_application_odd_chars", "add_application_form")
PASSWORD = ("auth_admin_modify_pass",)
TOKEN = ("auth_add_token",)
#: What framework servers show that these here do not have.
FRAMEWORK_FIELDS = (
    "exe_path", "profile", "start_script_path", "stop_script_path", "monitor_script_path", "source",
)  # fmt: skip

CASES = [
    # Applications, the tree, what can be chosen
    Case("add_application", last={"application": 4}),
    Case("add_application_again", last={"application": 9}),
    Case("add_application_duplicate", ("add_application",)),
    Case("add_application_no_param"),
    Case("add_application_form", last={"application": 7}),
    Case("add_application_odd_chars", last={"application": 6}),
    Case("add_application_get"),
    Case("add_application_bad_json"),
    Case("query_application", (*APPLICATIONS, *OTHERS)),
    Case("query_application_after_delete", (
        *APPLICATIONS, Call("GET", "delete_application", {"f_id": 5}),
        {"application": 8}, Call("POST", "add_application", {"f_name": "NotAdded"}),
    )),
    Case("query_application_filter", ("add_application_form",), {"application": 7}),
    Case("delete_application"),
    Case("delete_application_unknown"),
    Case("delete_application_no_id"),
    Case("delete_application_with_servers", (*APPLICATIONS, "deploy_server")),
    Case("tree", held="tree"),
    Case("tree_page_prefix", held="tree_page_prefix"),
    Case("tree_after_delete_application", held="tree_after_delete_application"),
    *(Case(f"cascade_select_server_{level}", held="inactive_server_list_all") for level in "12345"),
    # Servers
    Case("server_exist_no"),
    Case("server_exist_yes", DEPLOYED),
    Case("server_no_id"),
    Case("server_id_text"),
    Case("server_unknown_id"),
    Case("server_after_undeploy"),
    Case("server_nodes_unknown"),
    Case("server_list_no_param"),
    Case("server_list_unknown_app"),
    Case("server_list_app", held="server_list_app"),
    Case("server_list_paged", held="server_list_app"),
    Case("server_list_two_nodes", held="server_list_two_nodes"),
    Case("server_list_expanded", held="server_list_expanded"),
    Case("server_list_after_delete_application", held="server_list_after_delete_application"),
    Case("inactive_server_list", held="inactive_server_list_all"),
    Case("inactive_server_list_all", held="inactive_server_list_all", without=FRAMEWORK_FIELDS),
    Case("server_now_version", held="server_now_version"),
    Case("deploy_server", last=SERVER_11),
    Case("deploy_server_duplicate", DEPLOYED, SERVER_11),
    Case("deploy_server_js", last={"server": 19}),
    Case("deploy_server_killme", last={"server": 23}),
    Case("deploy_server_two_adapters", last={"server": 20}),
    Case("deploy_server_bad_port", last={"server": 16}),
    Case("deploy_server_bad_type", last={"server": 15}),
    Case("deploy_server_no_adapters"),
    Case("deploy_server_adapters_missing"),
    Case("deploy_server_long_name"),
    Case("deploy_server_same_port", DEPLOYED, {"server": 17}),
    Case("deploy_server_unknown_app", last={"server": 12}),
    Case("deploy_server_unknown_node", last={"server": 14}),
    Case("update_server_unknown"),
    Case("get_realtime_state_new", DEPLOYED, SERVER_11),
    Case("get_realtime_state_unknown"),
    Case("server_state_no_param"),
    Case("server_state_unknown_node", ("deploy_server_unknown_node",)),
    Case("load_server", DEPLOYED),
    Case("send_command_no_command"),
    Case("send_command_unknown_id"),
    Case("update_flowstatus_no_nodes"),
    Case("update_flowstatus_unknown"),
    Case("update_flowstatus_unknown_node", DEPLOYED, SERVER_11),
    Case("update_flowstatus_off", DEPLOYED, SERVER_11),
    Case("update_flowstatus_on", DEPLOYED, SERVER_11),
    # Adapters
    Case("adapter_conf_list", DEPLOYED, SERVER_11),
    Case("adapter_conf_list_unknown"),
    Case("adapter_conf", ADAPTER_25, SERVER_11),
    Case("all_adapter_conf_list", DEPLOYED),
    Case("add_adapter_conf", ADAPTER_25[:2]),
    Case("add_adapter_conf_duplicate", ADAPTER_25),
    Case("add_adapter_conf_no_node"),
    Case("add_adapter_conf_unknown_server", last={"adapter": 26}),
    Case("update_adapter_conf", ADAPTER_25),
    Case("update_adapter_conf_no_servant"),
    Case("update_adapter_conf_unknown"),
    Case("delete_adapter_conf_unknown"),
    Case("auto_port_none"),
    Case("auto_port_two"),
    Case("auto_port_unknown_node"),
    # Scaling out
    Case("expand_server_preview", DEPLOYED, SERVER_11),
    Case("expand_server_preview_no_nodes"),
    Case("expand_server_preview_same_node", DEPLOYED),
    Case("expand_server_preview_unknown"),
    Case("expand_server", DEPLOYED),
    Case("expand_server_again", ("deploy_server", "expand_server")),
    Case("expand_server_empty"),
    Case(
        "adapter_conf_list_expanded",
        ("deploy_server", {"server": 21, "adapter": 27}, "expand_server"),
    ),
    # Packages
    Case("upload_patch_package"),
    Case("upload_patch_package_js", last={"package": 5}),
    Case("upload_patch_package_no_binary", last={"package": 2}),
    Case("upload_patch_package_no_app"),
    Case("upload_patch_package_no_file"),
    Case("upload_patch_package_json"),
    Case("upload_patch_package_wrong_field"),
    Case("upload_patch_package_not_a_tgz", last={"package": 4}),
    Case("upload_patch_package_unknown_server", last={"package": 3}),
    *(
        Case(name, ("upload_patch_package",) * 3 + ({"package": 4}, "upload_patch_package"))
        for name in ("server_patch_list", "server_patch_list_no_page")
    ),
    Case("server_patch_list_empty"),
    Case("server_patch_list_no_app"),
    Case("set_patch_package_default", ("upload_patch_package",)),
    Case("delete_patch_package_unknown"),
    Case("upload_and_publish_no_file"),
    Case("upload_and_publish_no_module"),
    Case("upload_and_publish_unknown_server"),
    Case("upload_and_publish_inactive", ("deploy_server_two_adapters",)),
    # Tasks
    Case("add_task_empty_items"),
    Case("add_task_no_items"),
    Case("add_task_unknown_server"),
    Case("task_no_param"),
    Case("task_unknown"),
    Case("task_list_command"),
    Case("del_task_unknown"),
    # Configuration files
    Case("add_config_file_app"),
    Case("add_config_file_server", ("deploy_server", "add_config_file_app")),
    Case("add_config_file_duplicate", CONFIGS),
    Case("add_config_file_no_config"),
    Case("add_config_file_bad_level"),
    Case("config_file", CONFIGS),
    Case("config_file_unknown"),
    Case("config_file_text_id"),
    Case("config_file_list_app", CONFIGS),
    Case("config_file_list_server", CONFIGS),
    Case("config_file_list_no_level"),
    Case("config_file_list_no_server"),
    Case("config_file_list_set"),
    Case("node_config_file_list", CONFIGS),
    Case("node_config_file_list_expanded", (*CONFIGS, {"config_file": 4}, "expand_server")),
    Case("update_config_file", CONFIGS),
    Case("update_config_file_again", (*CONFIGS, "update_config_file")),
    Case("update_config_file_unknown"),
    Case("config_file_history_list_no_page", HISTORY),
    Case("config_file_history_list", HISTORY),
    Case("config_file_history_list_unknown"),
    Case("config_file_history", HISTORY),
    Case("config_file_history_unknown"),
    Case("add_config_ref", CONFIGS),
    Case("add_config_ref_duplicate", (*CONFIGS, "add_config_ref")),
    Case("config_ref_list", (*CONFIGS, "add_config_ref")),
    Case("delete_config_ref", (*CONFIGS, "add_config_ref")),
    Case("merged_node_config", HISTORY),
    Case("merged_node_config_server_level", HISTORY),
    Case("merged_node_config_unknown"),
    Case("delete_config_file_app", CONFIGS),
    Case("delete_config_file_unknown"),
    Case("push_config_file_no_ids"),
    Case("push_config_file_server_level", CONFIGS),
    # Templates
    Case("query_profile_template"),
    Case("profile_template_unknown"),
    Case("add_profile_template", last=TEMPLATES_21),
    Case("add_profile_template_duplicate", TEMPLATE),
    Case("add_profile_template_no_profile"),
    Case("update_profile_template", TEMPLATE, TEMPLATES_21),
    Case("update_profile_template_unknown"),
    Case("delete_profile_template", TEMPLATE, TEMPLATES_21),
    Case("delete_profile_template_unknown"),
    Case("get_merge_profile_template"),
    Case("get_merge_profile_template_unknown"),
    Case("view_server_merge", DEPLOYED),
    # Users
    Case("auth_no_token"),
    Case("auth_no_token_en"),
    Case("auth_bad_token"),
    Case("auth_is_enable_login"),
    Case("auth_get_login_uid"),
    Case("auth_has_auth"),
    Case("auth_get_auth_list"),
    Case("auth_admin_modify_pass"),
    Case("auth_admin_modify_pass_again", PASSWORD),
    Case("auth_admin_modify_pass_mismatch"),
    Case("auth_login_ok", PASSWORD),
    Case("auth_login_wrong", PASSWORD),
    Case("auth_add_token"),
    Case("auth_token_ok", (*APPLICATIONS[:2], "auth_add_token")),
    Case("auth_token_expired", (
        *APPLICATIONS,
        Call("POST", "auth/addToken", {"name": "old", "expire_time": "2020-01-01 00:00:00"}),
    )),
    Case("auth_token_set_invalid", TOKEN),
    Case("auth_token_valid_off", TOKEN),
    Case("auth_token_used_after_set_invalid", (*APPLICATIONS, *TOKEN, "auth_token_set_invalid")),
    Case("auth_token_invalidated", (*APPLICATIONS[:2], *TOKEN, "auth_token_valid_off")),
    Case("auth_token_before_delete", (*APPLICATIONS, *TOKEN)),
    Case("auth_token_delete", TOKEN),
    Case("auth_delete_token", TOKEN),
    Case("auth_token_used_after_delete", (*APPLICATIONS, *TOKEN, "auth_token_delete")),
    # Whatever is not there
    Case("unknown_endpoint"),
    Case("unknown_endpoint_post"),
]  # fmt: skip

#: Calls that begin a task; NAME_poll tells how that ends, without a node.
TASKS = [
    Case("add_task_patch_no_id", DEPLOYED, SERVER_11),
    Case("add_task_patch_unknown_id", DEPLOYED, SERVER_11),
    Case("add_task_unknown_command", DEPLOYED, SERVER_11),
    Case("task_start_unknown_node", ("deploy_server_unknown_node",), {"server": 14}),
    Case("task_undeploy_dead_node", ("deploy_server_unknown_node",), {"server": 14}),
]

_MOMENT = "a moment on the way, which another run does not meet; the client's tests read it"
_TARSCPP = "the answer is the servant's own, and that is TarsCpp's or node-agent's"
_WANTING = "the restart failed for want of tarsconfig; here it succeeds"
_PORT = "@tars/rpc ends where its port is taken, TarsCpp stays and tries on"
_BROKEN = "a cut-off package is refused, where the real one says success and raises the version"
_MANY = "lists what the whole recording session did"
_GONE = "asked 5 minutes later"
_FRAMEWORK = "the framework's servers are deployed and published like any other"

#: Differences that are meant, each with its reason.
DIFFERENT = {
    "get_realtime_state_active": _MOMENT,
    "server_state_active": _MOMENT,
    "task_restart_two_serial_poll": _MOMENT,
    "task_restart_two_parallel_poll": _MOMENT,
    "task_two_servers_parallel_poll": _MOMENT,
    "task_restart_poll": _WANTING,
    "task_restart_stopped_poll": _WANTING,
    "send_command_connection": _TARSCPP,
    "send_command_hello": _TARSCPP,
    "send_command_js_viewversion": _TARSCPP,
    "send_command_setloglevel": _TARSCPP,
    "send_command_viewstatus": _TARSCPP,
    "get_realtime_state_port_in_use": _PORT,
    "server_state_port_in_use": _PORT,
    "task_publish_port_in_use": _PORT,
    "task_publish_port_in_use_poll": _PORT,
    "task_stop_port_in_use": _PORT,
    "task_stop_port_in_use_poll": _PORT,
    "task_publish_broken_tgz": _BROKEN,
    "task_publish_broken_tgz_poll": _BROKEN,
    "server_after_broken_publish": _BROKEN,
    "upload_and_publish_page_prefix": "a second publish waits for the first; there it fails",
    "task_list_all": _MANY,
    "task_restart_two_parallel_final": _GONE,
    "task_restart_two_elegant_final": _GONE,
    "template_name_list": "the templates that framework servers have are not there",
    **{
        f"task_start_framework_{name}{end}": _FRAMEWORK
        for name in (
            "tarsconfig", "tarslog", "tarsnotify", "tarsproperty", "tarsqueryproperty",
            "tarsquerystat", "tarsstat",
        )
        for end in ("", "_poll")
        if f"{name}{end}" != "tarsnotify"
    },
}  # fmt: skip

_DOWN = "registry, AdminRegistry and TarsWeb are one process: none is down alone"
_PAGES = "there are no pages, only the API"
_NOBODY = "no criterion and no client calls it"

#: What is not there, each with its reason.
NOT_EMULATED = {
    "auth_not_activated_page": _PAGES,
    "down_add_task_restart": _DOWN,
    "down_application_list": _DOWN,
    "down_auto_port": _DOWN,
    "down_get_realtime_state": _DOWN,
    "down_merged_template": _DOWN,
    "down_node_list": _DOWN,
    "down_send_command": _DOWN,
    "down_server_list_tars": _DOWN,
    "download_package_unknown": _NOBODY,
    "get_framework_list": _NOBODY,
    "get_server_patch": _NOBODY,
    "check_tars_node_unknown": _NOBODY,
    "list_tars_node": _NOBODY,
    "server_notify_list": _NOBODY,
    "server_notify_list_port_in_use": _NOBODY,
}

#: Replayed by `test_logs_recorded`, with a node that has the log.
LOGS = ("logview_data", "logview_data_no_params", "logview_list", "logview_list_unknown")

#: Replayed by `test_monitoring_recorded`, with the servers that collect.
MONITORING = (
    "property_monitor_data",
    "property_monitor_data_group",
    "property_monitor_data_none",
    "property_monitor_data_policy",
    "stat_monitor_data",
    "stat_monitor_data_backend_dead",
    "stat_monitor_data_bad_date",
    "stat_monitor_data_bad_group",
    "stat_monitor_data_group_interface",
    "stat_monitor_data_group_master",
    "stat_monitor_data_no_params",
    "stat_monitor_data_none",
    "stat_monitor_data_two_level",
)
