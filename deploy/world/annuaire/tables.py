"""What a made-up directory is drawn from: names, towns and professions with rough frequencies."""

from __future__ import annotations

FAMILIES = """
martin 228 bernard 120 thomas 108 petit 105 robert 103 richard 97 durand 94 dubois 92 moreau 91 laurent 88 simon 83
michel 82 lefebvre 80 leroy 78 roux 69 david 68 bertrand 67 morel 66 fournier 65 girard 63 bonnet 62 dupont 61
lambert 60 fontaine 59 rousseau 58 vincent 57 muller 56 lefevre 56 faure 55 andre 54 mercier 54 blanc 53 guerin 52
boyer 52 garnier 51 chevalier 51 francois 50 legrand 50 gauthier 49 garcia 49 perrin 48 robin 47 clement 47 morin 46
nicolas 46 henry 45 roussel 45 mathieu 44 gautier 44 masson 43 marchand 43 duval 42 denis 42 dumont 41 marie 41
lemaire 40 noel 40 meyer 39 dufour 39 meunier 38 brun 38 blanchard 37 giraud 37 joly 36 riviere 36 lucas 35 brunet
35 gaillard 34 barbier 34 arnaud 33 martinez 33 gerard 32 roche 32 renard 31 schmitt 31 roy 30 leroux 30 colin 29
vidal 29 caron 28 picard 28 roger 27 fabre 27 aubert 26 lemoine 26 renaud 25 dumas 25 lacroix 24 olivier 24 philippe
23 bourgeois 23 pierre 22 benoit 22 rey 21 leclerc 21 payet 20 rolland 20 leclercq 20 guillaume 19 lecomte 19 lopez
19 jean 18 dupuy 18 guillot 18 hubert 17 berger 17 carpentier 17 sanchez 16 dupuis 16 moulin 16 louis 15 deschamps
15 huet 15 vasseur 14 perez 14 boucher 14 fleury 13 royer 13 klein 13 jacquet 12 adam 12 paris 12 poirier 11 marty
11 aubry 11 guyot 10 carre 10 charles 10 renault 10 charpentier 9 menard 9 maillard 9 baron 9 bertin 8 bailly 8
herve 8 schneider 8 fernandez 8 collet 7 leger 7 bouvier 7 julien 7 prevost 7 millet 7 perrot 6 daniel 6 cousin 6
germain 6 breton 6 nguyen 24 traore 12 diallo 12 benali 9 haddad 9 da-silva 14 dos-santos 10 le-goff 9 le-gall 9
le-roux 9 de-oliveira 6 d-almeida 4 de-la-tour 3 du-pont-de-l-isle 1 ben-amar 5 van-den-berghe 3 o-brien 1 mc-donald
1 saint-martin 3 n-diaye 6
"""
GIVEN = """
marie 90 jean 60 pierre 45 michel 40 nathalie 38 isabelle 37 catherine 36 sylvie 34 philippe 34 christine 30
francoise 28 martine 27 sophie 27 sandrine 26 veronique 26 celine 26 stephanie 25 valerie 25 anne 25 julie 24
nicolas 24 laurent 24 christophe 23 aurelie 23 emilie 22 camille 22 laura 21 patrick 21 thomas 20 julien 20
alexandre 20 olivier 19 david 19 sebastien 18 frederic 18 caroline 18 virginie 17 corinne 17 brigitte 17 elodie 16
pauline 16 marion 16 mathilde 15 sarah 15 lea 15 manon 15 claire 15 charlotte 14 lucie 14 audrey 14 laetitia 13
helene 13 florence 13 agnes 12 delphine 12 karine 12 vincent 12 antoine 11 maxime 11 guillaume 11 francois 11 alain
11 bernard 11 bruno 10 eric 10 thierry 10 pascal 10 dominique 10 gerard 9 jacques 9 daniel 9 andre 9 jean-pierre 9
jean-luc 8 jean-marc 7 jean-francois 7 marie-claude 7 marie-christine 7 anne-marie 6 anne-sophie 6 marie-laure 6
benjamin 8 romain 8 clement 8 quentin 7 hugo 7 lucas 7 louis 7 paul 7 arthur 6 adrien 6 mehdi 6 mohamed 6 karim 5
fatima 5 yasmine 5 samia 4 leila 4 nadia 4 sofia 4 ines 6 chloe 6 emma 6 oceane 6 anais 6 justine 6 morgane 5 amelie
5 noemie 4 maud 3 cleo 2 zoe 3 maelle 3 gwenaelle 2 loic 4 yann 4 erwan 3 solene 3 ludivine 3 gael 3 francisco 1
paulo 1 thi-hong 1 aissatou 2 mamadou 2
"""
TOWNS = """
paris:75001-75020:120 marseille:13001-13016:55 lyon:69001-69009:50 toulouse:31000:35 nice:06000:25 nantes:44000:25
montpellier:34000:25 strasbourg:67000:22 bordeaux:33000:26 lille:59000:24 rennes:35000:20 reims:51100:15
saint-etienne:42000:14 toulon:83000:14 grenoble:38000:15 dijon:21000:13 angers:49000:12 nimes:30000:12
villeurbanne:69100:9 clermont-ferrand:63000:13 le-mans:72000:9 aix-en-provence:13100:11 brest:29200:11
tours:37000:12 amiens:80000:11 limoges:87000:10 annecy:74000:8 perpignan:66000:9 metz:57000:10 besancon:25000:9
orleans:45000:9 rouen:76000:12 mulhouse:68100:7 caen:14000:11 nancy:54000:12 vandoeuvre-les-nancy:54500:5
argenteuil:95100:5 montreuil:93100:5 saint-denis:93200:5 roubaix:59100:4 tourcoing:59200:4 dunkerque:59140:4
avignon:84000:7 poitiers:86000:8 versailles:78000:6 courbevoie:92400:4 pau:64000:6 la-rochelle:17000:6
antibes:06600:4 cannes:06400:4 beziers:34500:4 colmar:68000:4 saint-nazaire:44600:4 bourges:18000:4 quimper:29000:4
valence:26000:5 neuilly-sur-seine:92200:4 troyes:10000:5 chambery:73000:5 lorient:56100:4 niort:79000:4
ajaccio:2A000:3 bastia:2B000:3 la-roche-sur-yon:85000:4 saint-brieuc:22000:4 vannes:56000:5 tarbes:65000:3
albi:81000:3 blois:41000:3 chartres:28000:3 chalon-sur-saone:71100:3 macon:71000:2 montauban:82000:3 bayonne:64100:4
arras:62000:4 lens:62300:4 boulogne-sur-mer:62200:3 laval:53000:3 evreux:27000:3 belfort:90000:3 saint-malo:35400:3
auxerre:89000:2 nevers:58000:2 gap:05000:2 rodez:12000:2 aurillac:15000:2 die:26150:1 vesoul:70000:2
bar-le-duc:55000:1 cahors:46000:2 tulle:19000:1 gueret:23000:1 mende:48000:1 privas:07000:1 foix:09000:1
digne-les-bains:04000:1 epinal:88000:2 charleville-mezieres:08000:2 moulins:03000:2
saint-denis-de-la-reunion:97400:5 saint-pierre:97410:3 fort-de-france:97200:4 pointe-a-pitre:97110:3 cayenne:97300:2
mamoudzou:97600:1 l-isle-adam:95290:1 saint-martin-d-heres:38400:2 saint-martin-de-crau:13310:1
villeneuve-d-ascq:59650:2 le-havre:76600:6
"""
PROFESSIONS = """
60:Infirmier:640 10:Médecin:300 70:Masseur-Kinésithérapeute:110 21:Pharmacien:80 40:Chirurgien-Dentiste:55
50:Sage-Femme:28 91:Orthophoniste:30 35:Aide-soignant:360 93:Psychologue:80 80:Pédicure-Podologue:16
94:Ergothérapeute:16 96:Psychomotricien:16 28:Opticien-Lunetier:40 26:Audioprothésiste:6 92:Orthoptiste:6
95:Diététicien:16 98:Manipulateur ERM:38 86:Technicien de laboratoire médical:50 71:Ostéopathe:32 39:Préparateur en
pharmacie:60 37:Auxiliaire de puériculture:30 200:Assistant de service social:40
"""
SPECIALITIES = """
SM54:Médecine Générale (SM):95 SM04:Cardiologie et maladies vasculaires (SM):9 SM15:Dermatologie et vénéréologie
(SM):5 SM42:Psychiatrie (SM):15 SM40:Pédiatrie (SM):9 SM44:Radio-diagnostic (SM):9 SM02:Anesthésie-réanimation
(SM):12 SM38:Ophtalmologie (SM):6 SM20:Gynécologie-obstétrique (SM):6 SM24:Gastro-entérologie et hépatologie (SM):4
SM41:Pneumologie (SM):4 SM37:Oncologie option médicale (SM):2 SM32:Neurologie (SM):3 SM35:Néphrologie (SM):2
SM48:Rhumatologie (SM):3 SM17:Endocrinologie et métabolisme (SM):2 SM39:Oto-rhino-laryngologie (SM):3 SM05:Chirurgie
générale (SM):3 SM09:Chirurgie orthopédique et traumatologie (SM):4 SM14:Chirurgie viscérale et digestive (SM):2
SM16:Biologie médicale (SM):3 SM25:Gériatrie (SM):3 SM28:Médecine d'urgence (SM):6 SM30:Médecine du travail (SM):5
SM53:Santé publique et médecine sociale (SM):2 SM31:Médecine physique et réadaptation (SM):2 SM46:Hématologie (SM):1
SM12:Chirurgie urologique (SM):1 SM29:Médecine nucléaire (SM):1
"""
SERVICES = """
cardiologie pneumologie urgences pediatrie maternite radiologie laboratoire secretariat-medical geriatrie neurologie
oncologie hematologie nephrologie reanimation chirurgie-orthopedique consultations-externes had
equipe-mobile-de-soins-palliatifs smur gastro-enterologie dermatologie psychiatrie-de-secteur
pharmacie-a-usage-interieur rhumatologie endocrinologie-diabetologie
"""
SAINTS = "vincent paul joseph louis anne jean pierre luc marie camille antoine germain charles andre"
FIRSTS = """
bar ber bon bour bri cha char cor cou dam del des dor du fau fer flo gal gar gi gran gue hau jan jou la lan le lor
mal mar mau mon mor nor pa per pi pon qui ran ri ro sal ser ta tho tri va ver vi you zan
"""
MIDDLES = """
a ba be bi bo ca che chi co da de di do fa fe ga gue la le li lo ma me mi na ne ni pa pe ra re ri ro sa se si ta te
ti to va ve vi vo
"""
LASTS = "rd rt t x n ssin ud ult in on ot et eau ier ez ard ert aud in el ac ic oux and ain ien our as is ey"
