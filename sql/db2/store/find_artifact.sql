-- One artifact's manifest, piece by piece in their order; no row if the artifact is not here.
-- Parameters: artifact_id bigint.
-- Columns: manifest_bytes bigint, of all pieces; sha256 varchar for bit data, of the manifest; body varchar for bit data, or
-- NULL where no piece is here yet.
-- Since: Db2 10.5. Privilege: select on HADRIAN.ARTIFACT and HADRIAN.MANIFEST_PIECE.
select a.manifest_bytes as manifest_bytes, a.sha256 as sha256, p.body as body
from hadrian.artifact as a
left join hadrian.manifest_piece as p on p.artifact_id = a.id
where a.id = :artifact_id
order by p.number
with ur
