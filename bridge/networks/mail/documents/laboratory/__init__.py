"""Results of laboratories that come as lines: HPRIM Médecins and HL7 v2, shown as one card."""
