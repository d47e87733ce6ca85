"""All addresses of the portal (DESIGN section 7)."""

from django.urls import include, path
from drf_spectacular.views import SpectacularJSONAPIView

from portal.api.batches import BatchesView, upload
from portal.api.enrolment import EnrolView
from portal.api.policy import AcknowledgeView, PolicyView, policy_keys
from portal.pages import approve, decide, docs, home, ledger, privacy, receipts, roles, status, you

you_urls = [
    path("", you.home, name="you-home"),
    path("why/", you.why, name="you-why"),
    path("history/", you.history, name="you-history"),
    path("data/", you.data, name="you-data"),
    path("machines/", you.machines, name="you-machines"),
    path("machines/<uuid:ref>/remove/", you.remove_machine, name="you-remove-machine"),
    path("stop/", you.stop, name="you-stop"),
    path("pause/", you.pause, name="you-pause"),
    path("resume/", you.resume, name="you-resume"),
    path("purposes/<slug:purpose>/", decide.decide, name="you-decide"),
    path("purposes/<slug:purpose>/received/", decide.acknowledge, name="you-acknowledge"),
    path("notices/<uuid:uuid>/", decide.notice_page, name="you-notice"),
    path("receipts/<uuid:uuid>/", receipts.receipt, name="you-receipt"),
    path("receipts/<uuid:uuid>/proof/", receipts.proof, name="you-proof"),
    path("receipts/<uuid:uuid>/<slug:form>/", receipts.receipt_file, name="you-receipt-file"),
    path("certificates/<uuid:uuid>/", receipts.certificate, name="you-certificate"),
]

privacy_urls = [
    path("", privacy.home, name="privacy-home"),
    path("reports/", privacy.reports, name="privacy-reports"),
    path("reports/<uuid:uuid>/", privacy.report_row, name="privacy-report-row"),
    path("reports/<uuid:uuid>/<slug:form>/", privacy.report_file, name="privacy-report-file"),
]

audit_urls = [
    path("", ledger.entries, name="audit-entries"),
    path("entries/<int:number>/", ledger.entry, name="audit-entry"),
    path("export/", ledger.export_ledger, name="audit-export"),
]

api_urls = [
    path("agents", EnrolView.as_view(), name="api-agents"),
    path("policy", PolicyView.as_view(), name="api-policy"),
    path("policy/ack", AcknowledgeView.as_view(), name="api-policy-ack"),
    path("batches", BatchesView.as_view(), name="api-batches"),
    path("batches/<uuid:batch>/bytes", upload, name="api-batch-bytes"),
]

urlpatterns = [
    path("", home.home, name="home"),
    path("you/", include(you_urls)),
    path("privacy/", include(privacy_urls)),
    path("audit/", include(audit_urls)),
    path("council/", roles.council, name="council-home"),
    path("releases/", roles.releases, name="releases-home"),
    path("manager/", roles.manager, name="manager-home"),
    path("status", status.status, name="status"),
    path("docs/", docs.page, name="docs-index"),
    path("docs/<path:name>", docs.page, name="docs-page"),
    path("api/v1/", include(api_urls)),
    path(
        "api/schema/",
        SpectacularJSONAPIView.as_view(authentication_classes=[], permission_classes=[]),
        name="api-schema",
    ),
    path(".well-known/sayso-policy-keys.json", policy_keys, name="policy-keys"),
    path("accounts/", include("allauth.urls")),
    path("identity/o/device", approve.approve_machine, name="approve-machine"),
    path("", include("allauth.idp.urls")),
]
