import { BarChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import type { Group, Result } from './result.ts';

use([BarChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

const WIDTH = 900;
const LABELS = 270;
const BAR = 34;
const HEAD = 44;
const FOOT = 40;
const LEGEND = 36;

/** The medians and 95th percentiles of each group as bars, in one SVG. */
export function chart({ benchmark, groups }: Pick<Result, 'benchmark' | 'groups'>): string {
  const heights = groups.map(({ contenders }) => HEAD + contenders.length * BAR + FOOT);
  const tops = heights.map((_, index) =>
    heights.slice(0, index).reduce((sum, height) => sum + height, LEGEND),
  );
  const drawing = init(null, null, {
    renderer: 'svg',
    ssr: true,
    width: WIDTH,
    height: heights.reduce((sum, height) => sum + height, LEGEND),
  });
  try {
    drawing.setOption({
      animation: false,
      backgroundColor: '#ffffff',
      legend: { top: 8, data: ['p50', 'p95'] },
      title: groups.map(({ title, unit }, index) => ({
        text: `${title} (${unit})`,
        left: 12,
        top: (tops[index] ?? 0) + 12,
        textStyle: { fontSize: 14 },
      })),
      grid: groups.map(({ contenders }, index) => ({
        left: LABELS,
        right: 40,
        top: (tops[index] ?? 0) + HEAD,
        height: contenders.length * BAR,
      })),
      xAxis: groups.map((_, gridIndex) => ({ type: 'value', gridIndex })),
      yAxis: groups.map(({ contenders }, gridIndex) => ({
        type: 'category',
        gridIndex,
        inverse: true,
        data: contenders.map(({ name }) => name),
        axisLabel: { width: LABELS - 20, overflow: 'truncate' },
      })),
      series: groups.flatMap(bars),
    });
    return picture(drawing.renderToSVGString(), `Benchmark ${benchmark}: medians and 95th percentiles`);
  } finally {
    drawing.dispose();
  }
}

/** An SVG that has a name, and no styles for a mouse: there is none over a picture in a page. */
const picture = (svg: string, title: string): string =>
  `${svg
    .replace(/<style\b.*?<\/style>\s*/gs, '')
    .replace(/ class="[^"]*"/g, '')
    .replace(/^<svg[^>]*>/, (tag) => `${tag}\n<title>${title}</title>`)}\n`;

const bars = ({ contenders }: Group, index: number) =>
  (['p50', 'p95'] as const).map((name) => ({
    type: 'bar',
    name,
    xAxisIndex: index,
    yAxisIndex: index,
    color: name === 'p50' ? '#2f5fd0' : '#b7c8f2',
    data: contenders.map((contender) => contender[name]),
  }));
