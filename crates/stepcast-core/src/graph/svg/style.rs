//! How the image looks, light and dark. All names begin with `sc-`, since a style within a page holds for all of it.

pub(super) const STYLE: &str = "<style>
.sc-graph{--sc-bg:#ffffff;--sc-ink:#1f2937;--sc-soft:#6b7280;--sc-line:#94a3b8;--sc-step:#f8fafc;--sc-step-line:#475569;\
--sc-event:#eef2ff;--sc-event-line:#a5b4fc;--sc-start:#dcfce7;--sc-start-line:#4ade80;--sc-stop:#fee2e2;\
--sc-stop-line:#f87171;--sc-other:#f1f5f9;--sc-way:#2563eb;--sc-bad:#dc2626;--sc-busy:#d97706;\
font-family:ui-sans-serif,system-ui,-apple-system,\"Segoe UI\",Roboto,\"DejaVu Sans\",sans-serif;max-width:100%;height:auto;background:var(--sc-bg)}
@media (prefers-color-scheme:dark){.sc-graph{--sc-bg:#0f172a;--sc-ink:#e2e8f0;--sc-soft:#94a3b8;--sc-line:#64748b;\
--sc-step:#1e293b;--sc-step-line:#94a3b8;--sc-event:#1e1b4b;--sc-event-line:#6366f1;--sc-start:#052e16;\
--sc-start-line:#22c55e;--sc-stop:#450a0a;--sc-stop-line:#f87171;--sc-other:#1e293b;--sc-way:#60a5fa;--sc-bad:#f87171;\
--sc-busy:#fbbf24}}
.sc-node rect{fill:var(--sc-other);stroke:var(--sc-line);stroke-width:1.2}
.sc-step rect{fill:var(--sc-step);stroke:var(--sc-step-line)}
.sc-event rect{fill:var(--sc-event);stroke:var(--sc-event-line)}
.sc-start rect{fill:var(--sc-start);stroke:var(--sc-start-line)}
.sc-stop rect{fill:var(--sc-stop);stroke:var(--sc-stop-line)}
.sc-external rect,.sc-resource rect{stroke-dasharray:4 3}
.sc-graph text{text-anchor:middle;dominant-baseline:central;fill:var(--sc-ink)}
.sc-name{font-size:13px}.sc-step .sc-name{font-weight:600}
.sc-graph .sc-note{font-size:11px;fill:var(--sc-soft)}
.sc-graph .sc-word{font-size:10.5px;fill:var(--sc-soft);stroke:var(--sc-bg);stroke-width:4px;paint-order:stroke}
.sc-wire{fill:none;stroke:var(--sc-line);stroke-width:1.3}.sc-head{fill:var(--sc-line)}
.sc-wire.sc-way{stroke:var(--sc-way);stroke-width:1.8}.sc-head.sc-way{fill:var(--sc-way)}
.sc-step.sc-way rect{stroke:var(--sc-way);stroke-width:2}
.sc-step.sc-active rect{stroke:var(--sc-busy);stroke-width:2}
.sc-step.sc-failed rect{stroke:var(--sc-bad);stroke-width:2}
.sc-step.sc-failed .sc-note{fill:var(--sc-bad)}.sc-step.sc-active .sc-note{fill:var(--sc-busy)}
.sc-faint{opacity:.45}
</style>
";
