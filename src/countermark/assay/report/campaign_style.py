"""How a campaign's page looks, on screens from a phone up and on one A4 sheet in black and white.

On paper nothing is smaller than 6 pt. A letter in a drawing has its size in units times width on paper over width in units:
bars 8 x 54 mm / 202, swatches 8 x 7 mm / 26, plots 7.8 x 60 mm / 212, the map 7.9 x 194 mm / 700.
"""

from __future__ import annotations

STYLE = """\
:root{color-scheme:light}
*{box-sizing:border-box}
body{margin:1.2rem auto;max-width:80rem;padding:0 1rem;font:15px/1.45 Arial,"Liberation Sans",Helvetica,system-ui,sans-serif;\
color:#111;background:#fff}
h1{font-size:1.5em;line-height:1.2;margin:0 0 .3em}h2{font-size:1.1em;margin:1.2em 0 .2em}p,ul,dl{margin:.3em 0}
.self,.figure{font-size:1.5rem;font-weight:700;line-height:1.1}
.self{border:2px solid #000;padding:0 .3em;display:inline-block}
.void{border:3px solid #000;padding:.4em;font-weight:700}
.verdicts{display:grid;grid-template-columns:1fr;gap:.8em 1.2em;padding:0;list-style:none}
.verdicts li{border-left:3px solid #000;padding-left:.6em}
.verdicts strong{display:block}.figure{padding-left:.3em}
.legend{display:flex;flex-wrap:wrap;gap:.1em 1.4em;margin:.3em 0;padding:0;list-style:none}
.legend svg,.bar,.mark{vertical-align:middle}.bar{width:16rem;height:auto}.swatch{width:2.1rem;height:auto}
.scroll{overflow-x:auto}.scroll:focus-visible{outline:2px solid #000}
.beside{display:grid;grid-template-columns:repeat(auto-fit,minmax(18rem,1fr));gap:0 1.8em;align-items:start}
.beside>section{min-width:0}.clauses tbody th{min-width:12rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.1em .8em .1em 0;vertical-align:baseline;font-weight:400}
td.n,th.n{text-align:right}
.wide{width:100%}.wide tbody th,.wide td{white-space:nowrap}.bars th,.bars td{vertical-align:middle}
tr>:last-child:not(.n):not(.words){padding-left:.4em}
.wide .words{white-space:normal;min-width:14rem}
thead th{font-weight:600;border-bottom:1.5px solid #000;vertical-align:bottom}
.plot{width:100%;max-width:24rem;height:auto}
.heat{width:100%;min-width:46rem;height:auto}
.names dt{font-weight:600;margin-top:.3em}.names dd{margin:0}
.small{font-size:.87em}
code{font-size:.95em;overflow-wrap:anywhere}
.paper{display:none}.patterns{position:absolute}
@media(min-width:40rem){.verdicts{grid-template-columns:1fr 1fr}}
@media(min-width:72rem){.verdicts{grid-template-columns:repeat(4,1fr)}.halves{grid-template-columns:1.25fr 1fr}}
@page{size:A4 portrait;margin:5mm 8mm}
@media print{
body{font-size:6.3pt;line-height:1.12;margin:0;padding:0;max-width:none}
h1{font-size:10pt;margin:0 0 .2em}h2{font-size:7.2pt;margin:.4em 0 0}p,ul,dl,.legend{margin:.08em 0}
.self,.figure{font-size:10pt}.void{padding:.1em .3em}
.verdicts{grid-template-columns:repeat(4,1fr);gap:0 3mm}.verdicts li{border-left-width:1.5pt;padding-left:1.2mm}
.scroll{overflow:visible}th,td{padding:0 .6em 0 0}
.bars th,.bars td,.halves th,.halves td{padding-right:.35em}.halves table{width:100%}thead th{border-bottom-width:.8pt}
.bar{width:54mm;height:auto}.swatch{width:7mm;height:auto}.mark{width:2.4mm;height:2.4mm}
.beside{grid-template-columns:repeat(3,1fr);gap:0 4mm}.halves{grid-template-columns:1.25fr 1fr}
.clauses tbody th{min-width:0}.halves td,.halves thead th,.halves section+section th{white-space:nowrap}
.wide .words{min-width:0}.wide thead th{white-space:nowrap}
.plot{width:60mm;max-width:none}.heat{width:194mm;min-width:0;display:block}
.names{columns:2;column-gap:4mm;flex:1 1 0;min-height:0;overflow:hidden;padding-top:1pt}
main{display:flex;flex-direction:column;height:286mm}main>*{min-width:0}
.names dt,.names dd{display:inline;margin:0}.names div{margin:0 0 .15em}
.small,.names{font-size:6pt;line-height:1.12}code{font-size:1em}
.screen{display:none}.paper{display:inline}
tr,li{break-inside:avoid}}
"""
