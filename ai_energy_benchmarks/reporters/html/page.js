"use strict";
// The data lie in the page as gzip in base64; a browser unpacks them itself.
async function unpacked(id) {
  const text = document.getElementById(id).textContent.trim();
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

const dark = window.matchMedia("(prefers-color-scheme: dark)");

function themed(spec) {
  const text = dark.matches ? "#e8e8e8" : "#1b1b1b";
  const line = dark.matches ? "#3a3a3a" : "#d9d9d9";
  const labels = { labelColor: text, titleColor: text };
  const config = {
    axis: { ...labels, gridColor: line, domainColor: line, tickColor: line },
    legend: labels, header: labels, title: { color: text }, text: { color: text }, rule: { color: text },
  };
  const own = spec.config || {};
  return { ...spec, config: { ...config, ...own, legend: { ...labels, ...(own.legend || {}) } } };
}

async function draw(charts) {
  for (const [name, spec] of Object.entries(charts)) {
    const place = document.getElementById("chart-" + name);
    await vegaEmbed(place, themed(spec), { actions: { export: true, source: false, compiled: false, editor: false }, renderer: "svg" });
  }
}

// Cells of a study: sliders hide those over a limit, the others are ranked by their energy.
function rank(cells) {
  const body = document.querySelector("#cells tbody");
  if (!body) return;
  const limits = ["latency", "energy"].map((id) => document.getElementById("limit-" + id));
  const rows = [...body.rows];
  const update = () => {
    const [latency, energy] = limits.map((slider) => (slider ? Number(slider.value) : Infinity));
    for (const slider of limits) if (slider) slider.nextElementSibling.textContent = Number(Number(slider.value).toPrecision(4)) + " " + slider.dataset.unit;
    const fits = (cell) => (cell.latency_ms === null || cell.latency_ms <= latency) && cell.energy_j !== null && cell.energy_j <= energy;
    const order = rows.map((row) => ({ row, cell: cells[Number(row.dataset.cell)] }));
    // The verdict decides before the figure: a cell with a FAIL has no place.
    const failed = (cell) => cell.ranked.startsWith("no");
    order.sort((a, b) => (fits(b.cell) - fits(a.cell)) || (failed(a.cell) - failed(b.cell)) || ((a.cell.energy_j ?? Infinity) - (b.cell.energy_j ?? Infinity)));
    order.forEach(({ row, cell }, place) => {
      row.className = fits(cell) ? (place === 0 && cell.ranked === "yes" ? "best" : "") : "out";
      row.cells[0].textContent = fits(cell) && !failed(cell) ? place + 1 : "–";
      body.append(row);
    });
  };
  for (const slider of limits) if (slider) slider.addEventListener("input", update);
  const chosen = ["first", "second"].map((id) => document.getElementById("compare-" + id));
  const named = (cell) => cell.label + (cell.ranked === "yes" ? "" : ` (${cell.ranked.replace("no: ", "")})`);
  const compare = () => {
    const [a, b] = chosen.map((list) => cells[Number(list.value)]);
    const told = document.getElementById("compared");
    if (a.energy_j === null || b.energy_j === null) told.textContent = "One of them has no energy figure.";
    else told.textContent = `${named(b)} takes ${(b.energy_j / a.energy_j).toPrecision(3)} × the energy per output token of ${named(a)}` +
      (a.low_j !== null && b.low_j !== null && a.high_j >= b.low_j && b.high_j >= a.low_j ? "; their intervals overlap." : ".");
  };
  for (const list of chosen) if (list) list.addEventListener("change", compare);
  update();
  if (chosen[0]) compare();
}

(async () => {
  const data = await unpacked("data");
  rank(data.cells || []);
  await draw(data.charts);
  document.documentElement.dataset.drawn = Object.keys(data.charts).length;
  dark.addEventListener("change", () => draw(data.charts));
})();
