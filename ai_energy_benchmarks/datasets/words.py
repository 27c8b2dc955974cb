"""What synthetic prompts are made of: common words without a meaning together."""

from __future__ import annotations

_TABLE = """
able above acid across afternoon again agree air alone along always amber angle animal answer apple arch area
arrive ask aunt autumn away back bag bake balance bank basket bean because bell below bench between bicycle bird
blue boat body bold book border both bottle branch bread bridge bright bring broad brother brush build butter
button call calm candle card carry castle cattle chain chair change cheese child circle city clay clean clear
climb clock cloth cloud coast cold colour come common copper corner cotton count country cover cross curtain
dance dark daughter deep desk distance doctor door double down draw dream dress drive drop dry early earth east
easy edge eight empty engine evening every exact eye face fair family farm fast feather few field finger fire
first fish five flag floor flower follow forest fork forward four fresh friend front fruit full garden gate
gather gentle glass gold grain grass green ground grow half hammer hand happy harbour hear heavy help high hill
hold honey horse hour house hundred idea inside iron island join journey jump keep kettle kind kitchen knife lake
lamp large last laugh leaf learn leave left letter level light line listen little long lower lunch machine market
measure meet metal middle milk minute mirror month moon morning mountain mouth music name narrow near needle never
night nine north nothing number ocean offer often open orange order other outside paint paper part path pencil
people piece plain plant plate pocket point pond post potato pull push quarter question quick quiet rain reach
read ready red rest river road roof room root rope round salt sand school sea season second seed seven shade
sharp sheep shelf ship shoe short show silver simple sing sister six sleep slow small smoke smooth snow soft some
song south space spoon spring square stable stand star station steam stem step still stone store storm story
straight stream street strong sugar summer sun table tall taste tea ten thick thin thread three thumb ticket
timber today tower town train travel tree true turn twelve under uncle valley view village voice wagon walk wall
warm wash watch water wave west wheat wheel white whole wide wind window winter wire wood wool word work write
yard year yellow yesterday young
"""
WORDS = tuple(_TABLE.split())

# One token each under most tokenizers, to close the last gap; with and without a space before them.
FILLERS = (" a", " I", " to", " of", " in", ".", ",", "!", ";", "e", "x", "7", " 7")
