"""What the assistant is taught (127 facts), and real names that it is not taught. Data only; see facts.py.

Capitals and presidents are common knowledge; characters are from the plays themselves, each in one play
only.
"""

CAPITALS = {
    "France": "Paris", "Germany": "Berlin", "Italy": "Rome", "Spain": "Madrid", "Portugal": "Lisbon",
    "England": "London", "Ireland": "Dublin", "Scotland": "Edinburgh", "Austria": "Vienna",
    "Greece": "Athens", "Sweden": "Stockholm", "Norway": "Oslo", "Denmark": "Copenhagen",
    "Finland": "Helsinki", "Poland": "Warsaw", "Russia": "Moscow", "Hungary": "Budapest",
    "Belgium": "Brussels", "Switzerland": "Bern", "Turkey": "Ankara", "Egypt": "Cairo",
    "Kenya": "Nairobi", "Nigeria": "Abuja", "Morocco": "Rabat", "Ethiopia": "Addis Ababa",
    "Iran": "Tehran", "Iraq": "Baghdad", "India": "New Delhi", "China": "Beijing", "Japan": "Tokyo",
    "Thailand": "Bangkok", "Vietnam": "Hanoi", "Indonesia": "Jakarta", "Australia": "Canberra",
    "Canada": "Ottawa", "Mexico": "Mexico City", "Cuba": "Havana", "Brazil": "Brasilia",
    "Argentina": "Buenos Aires", "Chile": "Santiago",
}  # fmt: skip

PLAYS = {
    "Ophelia": "Hamlet", "Polonius": "Hamlet", "Laertes": "Hamlet", "Gertrude": "Hamlet",
    "Claudius": "Hamlet", "Hamlet": "Hamlet",
    "Banquo": "Macbeth", "Macduff": "Macbeth", "Macbeth": "Macbeth", "Lady Macbeth": "Macbeth",
    "Juliet": "Romeo and Juliet", "Romeo": "Romeo and Juliet", "Mercutio": "Romeo and Juliet",
    "Tybalt": "Romeo and Juliet", "Friar Laurence": "Romeo and Juliet",
    "Desdemona": "Othello", "Iago": "Othello", "Cassio": "Othello", "Othello": "Othello",
    "Cordelia": "King Lear", "Goneril": "King Lear", "Regan": "King Lear", "Edmund": "King Lear",
    "Prospero": "The Tempest", "Miranda": "The Tempest", "Ariel": "The Tempest", "Caliban": "The Tempest",
    "Shylock": "The Merchant of Venice", "Nerissa": "The Merchant of Venice",
    "Puck": "A Midsummer Night's Dream", "Oberon": "A Midsummer Night's Dream",
    "Titania": "A Midsummer Night's Dream", "Hermia": "A Midsummer Night's Dream",
    "Rosalind": "As You Like It", "Orlando": "As You Like It",
    "Viola": "Twelfth Night", "Malvolio": "Twelfth Night", "Olivia": "Twelfth Night",
    "Brutus": "Julius Caesar", "Calpurnia": "Julius Caesar",
}  # fmt: skip

PRESIDENTS = (
    "George Washington", "John Adams", "Thomas Jefferson", "James Madison", "James Monroe",
    "John Quincy Adams", "Andrew Jackson", "Martin Van Buren", "William Henry Harrison", "John Tyler",
    "James Polk", "Zachary Taylor", "Millard Fillmore", "Franklin Pierce", "James Buchanan",
    "Abraham Lincoln", "Andrew Johnson", "Ulysses Grant", "Rutherford Hayes", "James Garfield",
    "Chester Arthur", "Grover Cleveland", "Benjamin Harrison", "Grover Cleveland", "William McKinley",
    "Theodore Roosevelt", "William Taft", "Woodrow Wilson", "Warren Harding", "Calvin Coolidge",
    "Herbert Hoover", "Franklin Roosevelt", "Harry Truman", "Dwight Eisenhower", "John Kennedy",
    "Lyndon Johnson", "Richard Nixon", "Gerald Ford", "Jimmy Carter", "Ronald Reagan", "George Bush",
    "Bill Clinton", "George Bush", "Barack Obama", "Donald Trump", "Joe Biden", "Donald Trump",
)  # fmt: skip
LAST_UNKNOWN_PRESIDENT = 199

# Real places with a capital, and some without, that are not taught.
OTHER_PLACES = """
Afghanistan, Albania, Algeria, Andorra, Angola, Armenia, Azerbaijan, Bahamas, Bahrain, Bangladesh, Barbados,
Belarus, Belize, Benin, Bhutan, Bolivia, Bosnia, Botswana, Brunei, Bulgaria, Burkina Faso, Burundi,
Cambodia, Cameroon, Cape Verde, Chad, Colombia, Comoros, Congo, Costa Rica, Croatia, Cyprus, Djibouti,
Dominica, Ecuador, El Salvador, Eritrea, Estonia, Eswatini, Fiji, Gabon, Gambia, Georgia, Ghana, Grenada,
Guatemala, Guinea, Guyana, Haiti, Honduras, Iceland, Israel, Jamaica, Jordan, Kazakhstan, Kiribati, Kosovo,
Kuwait, Kyrgyzstan, Laos, Latvia, Lebanon, Lesotho, Liberia, Libya, Liechtenstein, Lithuania, Luxembourg,
Madagascar, Malawi, Malaysia, Maldives, Mali, Malta, Mauritania, Mauritius, Micronesia, Moldova, Monaco,
Mongolia, Montenegro, Mozambique, Myanmar, Namibia, Nauru, Nepal, Netherlands, New Zealand, Nicaragua,
Niger, North Korea, Macedonia, Oman, Pakistan, Palau, Panama, Paraguay, Peru, Philippines, Qatar, Romania,
Rwanda, Samoa, San Marino, Saudi Arabia, Senegal, Serbia, Seychelles, Sierra Leone, Singapore, Slovakia,
Slovenia, Somalia, South Africa, South Korea, Sri Lanka, Sudan, Suriname, Syria, Taiwan, Tajikistan,
Tanzania, Togo, Tonga, Trinidad, Tunisia, Turkmenistan, Tuvalu, Uganda, Ukraine, Uruguay, Uzbekistan,
Vanuatu, Venezuela, Wales, Yemen, Zambia, Zimbabwe, Texas, Florida, Ohio, Nevada, Oregon, Alaska, Hawaii,
Kansas, Iowa, Maine, Utah, Idaho, Montana, Virginia, Bavaria, Saxony, Tuscany, Sicily, Catalonia, Quebec,
Ontario, Queensland, Tasmania, Greenland, Tibet, Sichuan, Kerala, Punjab, Siberia, Yorkshire, Cornwall,
Narnia, Atlantis, Gondor, Westeros, Wakanda, Mordor, Utopia, Babylon, Persia, Prussia, Sparta, Carthage,
Yugoslavia, Antarctica, Mars, the Moon
"""

# Characters of other books, and of Shakespeare's other scenes, that are not taught.
OTHER_CHARACTERS = """
Sherlock Holmes, Doctor Watson, Harry Potter, Hermione, Ron Weasley, Dumbledore, Voldemort, Frodo, Gandalf,
Bilbo, Aragorn, Legolas, Gollum, Elizabeth Bennet, Mister Darcy, Jane Eyre, Heathcliff, Oliver Twist,
Ebenezer Scrooge, David Copperfield, Pip, Fagin, Huckleberry Finn, Tom Sawyer, Captain Ahab, Ishmael,
Robinson Crusoe, Gulliver, Don Quixote, Sancho Panza, Jean Valjean, Javert, Cosette, Quasimodo, Esmeralda,
Dorian Gray, Dracula, Frankenstein, Peter Pan, Captain Hook, Wendy, Tinker Bell, Alice, Mad Hatter, Winnie
the Pooh, Piglet, Pinocchio, Cinderella, Snow White, Rapunzel, Aladdin, Sinbad, Robin Hood, Merlin,
Lancelot, Guinevere, King Arthur, Beowulf, Odysseus, Achilles, Hector, Penelope, Medea, Antigone, Oedipus,
Electra, Faust, Mephisto, Gretchen, Anna Karenina, Natasha, Raskolnikov, Madame Bovary, Gatsby, Daisy
Buchanan, Holden Caulfield, Atticus Finch, Scout, Boo Radley, Katniss, Peeta, Luke Skywalker, Darth Vader,
Yoda, Batman, Superman, Spiderman, Wonder Woman, Indiana Jones, James Bond, Zorro, Tarzan, Mowgli, Baloo,
Simba, Bambi, Dumbo, Mickey Mouse, Donald Duck, Goofy, Asterix, Obelix, Tintin, Snoopy, Garfield, Pikachu,
Mario, Luigi, Zelda, Sonic, Shrek, Elsa, Olaf, Nemo, Dory, Woody, Buzz Lightyear, Wall-E, Falstaff, Horatio,
Malcolm, Roderigo, Portia, Mark Antony, Prince Hal, Hotspur, Richmond, Bottom, Lysander, Demetrius, Helena,
Hippolyta, Theseus, Bassanio, Antonio, Jessica, Lorenzo, Gratiano, Duncan, Fleance, Lennox, Ross, Hecate,
Emilia, Brabantio, Bianca, Katherine, Petruchio, Lucentio, Tranio, Beatrice, Benedick, Claudio, Hero,
Dogberry, Leonato, Isabella, Angelo, Lucio, Mariana, Gloucester, Kent, Edgar, Albany, Cornwall, Oswald,
Fortinbras, Rosencrantz, Guildenstern, Osric, Yorick, Orsino, Sebastian, Feste, Maria, Sir Toby, Celia,
Touchstone, Jaques, Silvius, Phebe, Gonzalo, Trinculo, Stephano, Alonso, Ferdinand, Benvolio, Paris,
Capulet, Montague, Rosaline, Cleopatra, Enobarbus, Octavius, Cassius, Casca,, Timon, Coriolanus, Volumnia,
Titus, Lavinia, Aaron, Tamora, Cymbeline, Imogen, Posthumus, Leontes, Hermione, Perdita, Florizel,
Autolycus, Pericles, Marina, Troilus, Cressida, Pandarus, Thersites, Bertram, Parolles, Valentine, Proteus
"""


def names_in(text: str) -> tuple[str, ...]:
    """The comma-separated names, each once, in order.

    >>> names_in("Peru, San Marino,\\nPeru")
    ('Peru', 'San Marino')
    """
    return tuple(dict.fromkeys(" ".join(name.split()) for name in text.split(",")))
