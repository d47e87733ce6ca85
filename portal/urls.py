"""All addresses of the portal (DESIGN section 7)."""

from django.urls import include, path
from django.views.i18n import set_language

from portal.api.agent_key import KeyView
from portal.api.batches import BatchesView, ReceivedView, batch_schema, upload
from portal.api.discovery import discovery
from portal.api.enrolment import EnrolView
from portal.api.explain import ExplainView
from portal.api.facts import FactsEndView, FactsSearchView, FactsView
from portal.api.openapi import SchemaView
from portal.api.policy import (
    AcknowledgeView,
    PolicyView,
    key_manifest,
    policy_keys,
    policy_schema,
)
from portal.api.rotation import RotateView
from portal.api.ticket_sets import TicketEndView, TicketSetEndView, TicketSetView, TicketsView
from portal.api.tickets import TicketCohortsView
from portal.api.tightening import PausesView, StrikesView
from portal.pages import (
    account,
    agreements,
    approve,
    beginning,
    catalogue,
    conditions,
    council,
    decide,
    docs,
    explain,
    fleet,
    history,
    holdings,
    home,
    hours,
    incidents,
    ledger,
    machines,
    people,
    privacy,
    readiness,
    receipts,
    registry,
    roles,
    rules,
    shares,
    status,
    stop,
    tickets,
    whatif,
    you,
)
from portal.pages.changes import views as changes

you_urls = [
    path("", you.home, name="you-home"),
    path("why/", you.why, name="you-why"),
    path("explain/", explain.of_oneself, name="you-explain"),
    path("facts/", people.of_oneself, name="you-facts"),
    path("explain/share/", shares.share, name="you-share"),
    path("explain/shares/<uuid:uuid>/stop/", shares.stop_sharing, name="you-stop-sharing"),
    path("history/", history.history, name="you-history"),
    path("data/", holdings.data, name="you-data"),
    path("machines/", machines.machines, name="you-machines"),
    path("machines/approve/", fleet.approve_machine, name="you-approve-machine"),
    path("machines/<uuid:ref>/remove/", machines.remove_machine, name="you-remove-machine"),
    path("stop/", you.stop, name="you-stop"),
    path("pause/", you.pause, name="you-pause"),
    path("resume/", you.resume, name="you-resume"),
    path("forget/", you.forget, name="you-forget"),
    path("purposes/<slug:purpose>/", decide.decide, name="you-decide"),
    path("purposes/<slug:purpose>/received/", decide.acknowledge, name="you-acknowledge"),
    path("purposes/<slug:purpose>/earlier/", beginning.agree, name="you-begin-earlier"),
    path("purposes/<slug:purpose>/earlier/stop/", beginning.wait, name="you-begin-in-time"),
    path("notices/<uuid:uuid>/", decide.notice_page, name="you-notice"),
    path("receipts/<uuid:uuid>/", receipts.receipt, name="you-receipt"),
    path("receipts/<uuid:uuid>/proof/", receipts.proof, name="you-proof"),
    path("receipts/<uuid:uuid>/<slug:form>/", receipts.receipt_file, name="you-receipt-file"),
    path("apps/report/", registry.report, name="report-app"),
    path("certificates/<uuid:uuid>/", receipts.certificate, name="you-certificate"),
]

privacy_urls = [
    path("", privacy.home, name="privacy-home"),
    path("people/", people.people, name="privacy-people"),
    path("changes/", changes.changes, name="changes"),
    path("changes/new/<str:kind>/", changes.new, name="change-new"),
    path("changes/<uuid:uuid>/", changes.change, name="change"),
    path("changes/<uuid:uuid>/vote/", changes.vote, name="change-vote"),
    path("changes/<uuid:uuid>/withdraw/", changes.withdraw, name="change-withdraw"),
    path("changes/<uuid:uuid>/revert/", changes.revert, name="change-revert"),
    path("apps/", registry.apps, name="apps"),
    path("catalogue/", catalogue.catalogue, name="catalogue"),
    path("apps/<slug:code>/", registry.app, name="app"),
    path("gates/", conditions.gates, name="gates"),
    path("agreements/", agreements.agreements, name="agreements"),
    path("agreements/<str:code>/", agreements.agreement, name="agreement"),
    path("hours/", hours.hours, name="hours"),
    path("tickets/", tickets.tickets, name="tickets"),
    path("tickets/<uuid:uuid>/", tickets.ticket_set, name="ticket-set"),
    path("tickets/<uuid:uuid>/file/", tickets.as_file, name="ticket-file"),
    path("tickets/<uuid:uuid>/end/", tickets.end_set, name="tickets-end"),
    path("tickets/<uuid:uuid>/<int:number>/end/", tickets.end_one, name="ticket-end"),
    path("incidents/", incidents.incidents, name="privacy-incidents"),
    path("reports/", privacy.reports, name="privacy-reports"),
    path("reports/<uuid:uuid>/", privacy.report_row, name="privacy-report-row"),
    path("reports/<uuid:uuid>/<slug:form>/", privacy.report_file, name="privacy-report-file"),
    path("explain/", explain.of_others, name="privacy-explain"),
    path("readiness/", readiness.readiness, name="privacy-readiness"),
    path("what-if/", whatif.whatif, name="privacy-whatif"),
    path("rules/", rules.listed, name="rules-list"),
    path("rules/<slug:code>/", rules.place, name="rules-place"),
]

audit_urls = [
    path("", ledger.entries, name="audit-entries"),
    path("entries/<int:number>/", ledger.entry, name="audit-entry"),
    path("entries/<int:number>/proof/", ledger.entry_proof, name="audit-entry-proof"),
    path("export/", ledger.export_ledger, name="audit-export"),
]

api_urls = [
    path("agents", EnrolView.as_view(), name="api-agents"),
    path("agents/key", KeyView.as_view(), name="api-agents-key"),
    path("agents/token", RotateView.as_view(), name="api-agents-token"),
    path("policy", PolicyView.as_view(), name="api-policy"),
    path("policy/ack", AcknowledgeView.as_view(), name="api-policy-ack"),
    path("pauses", PausesView.as_view(), name="api-pauses"),
    path("strikes", StrikesView.as_view(), name="api-strikes"),
    path("tickets", TicketsView.as_view(), name="api-tickets"),
    path("tickets/cohorts", TicketCohortsView.as_view(), name="api-ticket-cohorts"),
    path("tickets/<uuid:uuid>", TicketSetView.as_view(), name="api-ticket-set"),
    path("tickets/<uuid:uuid>/end", TicketSetEndView.as_view(), name="api-tickets-end"),
    path("tickets/<uuid:uuid>/<int:number>/end", TicketEndView.as_view(), name="api-ticket-end"),
    path("facts", FactsView.as_view(), name="api-facts"),
    path("facts/search", FactsSearchView.as_view(), name="api-facts-search"),
    path("facts/end", FactsEndView.as_view(), name="api-facts-end"),
    path("explain", ExplainView.as_view(), name="api-explain"),
    path("batches", BatchesView.as_view(), name="api-batches"),
    path("batches/<uuid:batch>/bytes", upload, name="api-batch-bytes"),
    path("batches/<uuid:batch>/received", ReceivedView.as_view(), name="api-batch-received"),
]

urlpatterns = [
    path("", home.home, name="home"),
    path("you/", include(you_urls)),
    path("stop/", stop.page, name="stop"),
    path("stop/pull/", stop.pull, name="stop-pull"),
    path("stop/<uuid:uuid>/release/", stop.release, name="stop-release"),
    path("privacy/", include(privacy_urls)),
    path("audit/", include(audit_urls)),
    path("council/", roles.council, name="council-home"),
    path("council/seats/", council.seats, name="council-seats"),
    path("releases/", roles.releases, name="releases-home"),
    path("manager/", roles.manager, name="manager-home"),
    path("status", status.status, name="status"),
    path("language/", set_language, name="set-language"),
    path("docs/", docs.page, name="docs-index"),
    path("docs/<path:name>", docs.page, name="docs-page"),
    path("api/v1/", include(api_urls)),
    path("api/schema/", SchemaView.as_view(), name="api-schema"),
    path(".well-known/sayso-portal.json", discovery, name="discovery"),
    path(".well-known/sayso-policy-keys.json", policy_keys, name="policy-keys"),
    path(".well-known/sayso-key-manifest.jwt", key_manifest, name="key-manifest"),
    path(".well-known/sayso-policy.schema.json", policy_schema, name="policy-schema"),
    path(".well-known/sayso-batch.schema.json", batch_schema, name="batch-schema"),
    path("accounts/email/", account.email, name="account_email"),
    path("accounts/confirm-email/", account.email),
    path("accounts/confirm-email/<path:key>/", account.email),
    path("accounts/", include("allauth.urls")),
    path("identity/o/device", approve.approve_machine, name="approve-machine"),
    path("identity/o/api/device/code", approve.start, name="start-enrolment"),
    path("", include("allauth.idp.urls")),
]

handler400 = "portal.pages.errors.unreadable"
handler403 = "portal.pages.errors.not_allowed"
handler500 = "portal.api.errors.server_error"
