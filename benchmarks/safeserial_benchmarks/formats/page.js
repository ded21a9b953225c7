// SPDX-License-Identifier: BSD-3-Clause
// Draws the charts of the page in its own colours, anew when the scheme changes.
(() => {
  "use strict";
  const specs = JSON.parse(document.getElementById("specs").textContent);
  const charts = [...document.querySelectorAll("[data-spec]")];
  const scheme = window.matchMedia("(prefers-color-scheme: dark)");
  let views = [];

  function config() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const [ink, soft, line, card] = ["--ink", "--soft", "--line", "--card"].map(colour);
    const font = getComputedStyle(document.body).fontFamily;
    return {
      background: "transparent",
      font,
      view: { stroke: "transparent" },
      axis: {
        labelColor: ink, titleColor: soft, gridColor: line, domainColor: line, tickColor: line,
        labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", labelPadding: 6,
      },
      axisY: { grid: false },
      legend: { labelColor: ink, titleColor: soft, labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", orient: "top", symbolSize: 90, symbolBaseFillColor: ink, symbolBaseStrokeColor: ink, titlePadding: 6, labelLimit: 260 },
      text: { color: ink, fill: ink, fontSize: 12 },
      style: { halo: { stroke: card, strokeWidth: 4, strokeJoin: "round", strokeOpacity: 0.85 } },
    };
  }

  async function draw() {
    for (const view of views) view.finalize();
    views = [];
    const options = {
      actions: false, renderer: "svg", ast: true, defaultStyle: false, config: config(),
      tooltip: { disableDefaultStyle: true },
    };
    for (const place of charts) {
      try {
        const drawn = await vegaEmbed(place, specs[Number(place.dataset.spec)], options);
        views.push(drawn);
      } catch (error) {
        place.textContent = `This chart could not be drawn: ${error.message}`;
        document.documentElement.dataset.failed = error.message;
      }
    }
    document.documentElement.dataset.drawn = String(views.length);
  }

  scheme.addEventListener("change", draw);
  draw();
})();
